import type { Trail } from '../audit/trail.ts';
import type { Accounts } from '../operators/account.ts';
import type { Login, LoginResult } from '../operators/login.ts';

export interface WatchedLogin extends Login {
  /** Tells what has not been told yet. */
  close(): void;
}

export interface WatchedLoginOptions {
  readonly accounts: Accounts;
  readonly trail: Trail;
  /** Between two events about the same; 60 s. */
  readonly everySeconds?: number;
}

type FailureType = 'operator.login_failed' | 'operator.login_throttled';

/** What happened to one account since it was last told. */
interface Quiet {
  readonly type: FailureType;
  readonly name: string;
  readonly timer: NodeJS.Timeout;
  attempts: number;
  from: string;
}

/**
 * The same login, whose failures are in the audit. Of each account it is told once a minute at most, with how often it happened, and
 * names that nobody has count as one: so whoever guesses fills the audit with no more than there are accounts. Such a name is
 * not written down, since people type their password where the name belongs.
 */
export function watchedLogin(login: Login, { accounts, trail, everySeconds = 60 }: WatchedLoginOptions): WatchedLogin {
  const quiet = new Map<string, Quiet>();
  let closed = false;

  async function failed(result: Exclude<LoginResult['result'], 'right'>, name: string, from: string): Promise<void> {
    const found = await accounts.get(name).catch(() => null);
    if (closed) return;
    const type = result === 'wrong' ? 'operator.login_failed' : 'operator.login_throttled';
    count(type, found?.account.name ?? '', from);
  }

  function count(type: FailureType, name: string, from: string): void {
    const key = `${type} ${name}`;
    const known = quiet.get(key);
    if (known) {
      known.attempts += 1;
      known.from = from;
      return;
    }
    tell({ type, name, attempts: 1, from });
    const timer = setTimeout(() => {
      const since = quiet.get(key);
      quiet.delete(key);
      if (since && since.attempts > 0) tell(since);
    }, everySeconds * 1000);
    timer.unref();
    quiet.set(key, { type, name, timer, attempts: 0, from });
  }

  function tell({ type, name, attempts, from }: Omit<Quiet, 'timer'>): void {
    // Whoever fails has only claimed to be the one.
    void trail.record({ type, subject: name, detail: { attempts } }, { id: `operator:${name}?`, via: 'http', from });
  }

  async function watched(proving: Promise<LoginResult>, name: string, address: string): Promise<LoginResult> {
    const proved = await proving;
    // Nobody waits for it: how long the answer takes says nothing about the name.
    if (proved.result !== 'right') void failed(proved.result, name, address);
    return proved;
  }

  return {
    prove: (proof, address) => watched(login.prove(proof, address), proof.name, address),
    first: (name, code, password, address) => watched(login.first(name, code, password, address), name, address),
    hashed: (password) => login.hashed(password),
    close() {
      closed = true;
      for (const since of quiet.values()) {
        clearTimeout(since.timer);
        if (since.attempts > 0) tell(since);
      }
      quiet.clear();
    },
  };
}
