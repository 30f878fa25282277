import type { FindAccount, KoaContextWithOIDC } from 'oidc-provider';
import type { LoggedIn } from './logged-in.ts';
import type { OperatorLogin } from './login.ts';

type Session = NonNullable<KoaContextWithOIDC['oidc']['session']>;

const STANDING = 'standing:';

/**
 * What a login stands on, in the form of authentication methods: those the library carries from a login to the session and
 * to all that comes of it. No client is told them, since it can ask for no such claim.
 */
export function methodsOf({ standing }: LoggedIn): string[] {
  return [`${STANDING}${standing}`];
}

/** Empty, on which nothing stands, where nothing says so. */
export function standingIn(methods: readonly string[] | undefined): string {
  return methods?.find((method) => method.startsWith(STANDING))?.slice(STANDING.length) ?? '';
}

/**
 * Whoever is logged in, for as long as that login counts, and whoever let a program in. What is under way, a code as well, ends with
 * the login; a refresh token is a program's own and lasts for as long as the operator may act.
 */
export function accountFinder(login: OperatorLogin): FindAccount {
  return async ({ oidc }, operator, source) => {
    const { session } = oidc;
    const counts =
      source?.kind === 'RefreshToken'
        ? await login.isActive(operator)
        : await login.isCurrent({ operator, standing: standingIn(((source as Methods | undefined) ?? session)?.amr) });
    if (counts) return { accountId: operator, claims: () => ({ sub: operator }) };
    // The library takes an account that is gone for a fault of ours, and nobody logged in for somebody to be asked.
    if (source === undefined && session) logOut(session);
    return undefined;
  };
}

interface Methods {
  readonly amr?: string[];
}

/** What was granted in it stays with whoever granted it: the next one to log in here may be somebody else. */
export function logOut(session: Session): void {
  for (const name of ['accountId', 'loginTs', 'amr', 'authorizations'] as const) delete session[name];
}
