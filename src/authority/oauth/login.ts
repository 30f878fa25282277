import type { Stack } from '../../compose/stack.ts';
import { isOpen, standingOf, type Account } from '../../operators/account.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { SealError } from '../../crypto/seal.ts';
import type { ExternalLogin } from '../login/external-login.ts';
import type { Operators } from '../login/operators.ts';
import type { LoggedIn, LoginAnswer } from './logged-in.ts';

/** How operators prove who they are, where an authorization is to be given. */
export interface OperatorLogin {
  /** What the form asks for. */
  readonly fields: readonly LoginField[];
  /** The operator who logged in, or what to say instead. Guessing is limited here. */
  authenticate(form: URLSearchParams, address: string): Promise<LoginAnswer>;
  /** Where operators may log in instead; null for nowhere. */
  readonly external: ExternalLogin | null;
  /** Whether this operator may act at all. */
  isActive(operator: string): Promise<boolean>;
  /** The same, and this login still counts: no new password, logout everywhere or reset has come since. */
  isCurrent(login: LoggedIn): Promise<boolean>;
}

export interface LoginField {
  readonly name: string;
  readonly label: string;
  readonly secret: boolean;
  readonly autocomplete: string;
  readonly required: boolean;
}

const standingContext = { id: 'admin', service: 'oauth', kind: 'login' };

/** The holder of the admin token, who is the operator `admin`. */
export function adminTokenLogin({ admin, seal }: Stack): OperatorLogin {
  const isActive = async (operator: string) => operator === 'admin' && admin.configured;
  return {
    fields: [{ name: 'token', label: 'Admin token', secret: true, autocomplete: 'off', required: true }],
    async authenticate(form, address) {
      const tokens = form.getAll('token');
      const [token = ''] = tokens;
      const attempt = await admin.attempts.attempt(address, () => tokens.length === 1 && admin.isAdminToken(token));
      if (attempt.result === 'right')
        return { operator: 'admin', standing: seal.seal(sha256Hex(token), standingContext) };
      if (attempt.result === 'limited') return { words: 'Too many wrong attempts. Wait a while.', status: 429 };
      return { words: 'That is not the admin token.', status: 401 };
    },
    external: null,
    isActive,
    isCurrent: async ({ operator, standing }) => {
      if (!(await isActive(operator))) return false;
      try {
        return admin.isAdminDigest(seal.open(standing, standingContext));
      } catch (error) {
        if (error instanceof SealError) return false;
        throw error;
      }
    },
  };
}

/** An operator by name, password and second factor; or the holder of the admin token. Viewers decide nothing. */
export function operatorLogin(
  stack: Stack,
  { accounts, login }: Operators,
  external: ExternalLogin | null,
): OperatorLogin {
  const byToken = adminTokenLogin(stack);

  /** Null for one who may not act. */
  async function acting(operator: string): Promise<Account | null> {
    const account = (await accounts.get(operator))?.account;
    if (!account || account.role !== 'operator' || !isOpen(account, stack.config.openid?.issuer ?? null)) return null;
    return account.password !== null || account.openid !== undefined ? account : null;
  }

  return {
    fields: [
      { name: 'name', label: 'Name', secret: false, autocomplete: 'username', required: false },
      { name: 'password', label: 'Password', secret: true, autocomplete: 'current-password', required: false },
      {
        name: 'code',
        label: 'Code, if you have set one up',
        secret: false,
        autocomplete: 'one-time-code',
        required: false,
      },
      { name: 'token', label: 'Or the admin token', secret: true, autocomplete: 'off', required: false },
    ],
    async authenticate(form, address) {
      if (form.getAll('token').some((token) => token !== '')) return byToken.authenticate(form, address);
      const [name = '', password = '', code = ''] = ['name', 'password', 'code'].map((field) => form.get(field) ?? '');
      const proof = { name: name.slice(0, 64), password: password.slice(0, 1024), code: code.slice(0, 64) };
      const proved = await login.prove(proof, address);
      if (proved.result === 'limited') return { words: 'Too many wrong attempts. Wait a while.', status: 429 };
      if (proved.result === 'wrong') return { words: 'Name, password or code is wrong.', status: 401 };
      const { name: operator, role } = proved.account;
      if (role === 'operator') return { operator, standing: standingOf(proved.account) };
      return { words: 'A viewer cannot let anybody in.', status: 403 };
    },
    external,
    isActive: async (operator) =>
      operator === 'admin' ? byToken.isActive(operator) : (await acting(operator)) !== null,
    async isCurrent(who) {
      if (who.operator === 'admin') return byToken.isCurrent(who);
      const account = await acting(who.operator);
      return account !== null && standingOf(account) === who.standing;
    },
  };
}
