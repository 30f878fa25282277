import { seldom } from '../../audit/seldom.ts';
import type { Trail } from '../../audit/chain/trail.ts';
import type { Accounts } from '../../operators/account.ts';
import type { Login, LoginResult } from '../../operators/login.ts';

export interface WatchedLogin extends Login {
  /** Tells what has not been told yet. */
  close(): void;
}

export interface WatchedLoginOptions {
  readonly accounts: Accounts;
  readonly trail: Trail;
}

type Failure = Exclude<LoginResult, { readonly result: 'right' }>;
type FailureType = 'operator.login_failed' | 'operator.login_throttled';

interface Failures {
  readonly type: FailureType;
  readonly name: string;
  readonly attempts: number;
  /** Of these with the right password and a wrong code. */
  readonly wrongCodes: number;
  readonly from: string;
}

/**
 * The same login, whose failures are in the audit, seldom: of each account together, and names that nobody has count as one. So
 * whoever guesses fills the audit with little, and pushes nothing out of it. Such a name is not written down, since people type
 * their password where the name belongs.
 */
export function watchedLogin(login: Login, { accounts, trail }: WatchedLoginOptions): WatchedLogin {
  const failures = seldom(tell, (before, now) => ({
    ...now,
    attempts: before.attempts + now.attempts,
    wrongCodes: before.wrongCodes + now.wrongCodes,
  }));

  async function failed(failure: Failure, name: string, from: string): Promise<void> {
    const found = await accounts.get(name).catch(() => null);
    const type = failure.result === 'wrong' ? 'operator.login_failed' : 'operator.login_throttled';
    const known = found?.account.name ?? '';
    const wrongCodes = failure.passwordWasRight ? 1 : 0;
    failures.happened(`${type} ${known}`, { type, name: known, attempts: 1, wrongCodes, from });
  }

  function tell({ type, name, attempts, wrongCodes, from }: Failures): void {
    const detail = { attempts, ...(wrongCodes > 0 && { wrong_codes: wrongCodes }) };
    // Whoever fails has only claimed to be the one.
    void trail.record({ type, subject: name, detail }, { id: `operator:${name}?`, via: 'http', from });
  }

  async function watched(proving: Promise<LoginResult>, name: string, address: string): Promise<LoginResult> {
    const proved = await proving;
    // Nobody waits for it: how long the answer takes says nothing about the name.
    if (proved.result !== 'right') void failed(proved, name, address);
    return proved;
  }

  return {
    prove: (proof, address) => watched(login.prove(proof, address), proof.name, address),
    first: (name, code, password, address) => watched(login.first(name, code, password, address), name, address),
    hashed: (password) => login.hashed(password),
    close: () => failures.close(),
  };
}
