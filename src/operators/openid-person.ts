import type { Account, Accounts, Role } from './account.ts';
import { isOpenidName } from './account.ts';
import { newAccount } from './appoint.ts';

/** Which claims of an ID token say what somebody is called and may here. */
export interface PersonRules {
  readonly issuer: string;
  readonly nameClaim: string;
  readonly roleClaim: string;
  readonly roles: { readonly operator: readonly string[]; readonly viewer: readonly string[] };
}

/** Somebody for whom the provider vouches. */
export interface Person {
  readonly subject: string;
  /** As the account is called. */
  readonly name: string;
  /** Null: nobody here. */
  readonly role: Role | null;
}

export type Admission =
  | { readonly account: Account; readonly isNew: boolean; readonly lostOperator: boolean }
  | { readonly fault: 'no_role' | 'disabled' | 'name_taken'; readonly lostOperator: boolean };

const valuesMax = 1000;
/** OpenID Connect Core §2. */
const subjectMax = 255;

/** Null where the claims hold no name that can stand here. */
export function personOf(claims: Readonly<Record<string, unknown>>, rules: PersonRules): Person | null {
  const { sub } = claims;
  const [called] = textsOf(claims, rules.nameClaim);
  const name = `openid:${called ?? ''}`;
  if (typeof sub !== 'string' || sub === '' || sub.length > subjectMax || !isOpenidName(name)) return null;
  const values = textsOf(claims, rules.roleClaim);
  const has = (role: Role): boolean => rules.roles[role].some((value) => values.includes(value));
  return { subject: sub, name, role: has('operator') ? 'operator' : has('viewer') ? 'viewer' : null };
}

/** An address of mail that nobody verified is what somebody says of themselves. */
function textsOf(claims: Readonly<Record<string, unknown>>, claim: string): string[] {
  if (claim === 'email' && claims['email_verified'] !== true) return [];
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  const values = Array.isArray(value) ? value.slice(0, valuesMax) : [value];
  return values.filter((each) => typeof each === 'string');
}

/**
 * The account of a person from the provider, made at their first login, with the role that they have there now. A name belongs to
 * whom it was given first: providers let people change theirs, and give old ones to others. Whoever has no role any more is
 * logged out everywhere, and what they let in is let in no more.
 */
export async function admit(known: Accounts, { issuer }: PersonRules, person: Person, now: number): Promise<Admission> {
  const { name, role, subject } = person;
  const openid = { issuer, subject };
  if (role !== null) {
    const account: Account = { ...newAccount(name, role, now), openid };
    if (await known.add(account)) return { account, isNew: true, lostOperator: false };
  }
  let lostOperator = false;
  let fault: 'no_role' | 'disabled' | 'name_taken' = 'no_role';
  const account = await known.change(name, (before) => {
    const isTheirs =
      before.openid?.subject === null || (before.openid?.issuer === issuer && before.openid.subject === subject);
    fault = !isTheirs ? 'name_taken' : before.disabled ? 'disabled' : 'no_role';
    lostOperator = fault === 'no_role' && before.role === 'operator' && role !== 'operator';
    if (fault !== 'no_role') return null;
    return role === null ? { ...before, role: 'viewer', epoch: before.epoch + 1 } : { ...before, role, openid };
  });
  return account && role !== null ? { account, isNew: false, lostOperator } : { fault, lostOperator };
}
