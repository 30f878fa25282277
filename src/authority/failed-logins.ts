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
}

type Failure = Exclude<LoginResult, { readonly result: 'right' }>;
type FailureType = 'operator.login_failed' | 'operator.login_throttled';

/** Of each account it is told so often at most, and so often once it was told some times without an hour's rest. */
const quietMillis = 60_000;
const longQuietMillis = 3_600_000;
const toldOften = 10;

/** What happened to one account since it was last told. */
interface Quiet {
  readonly type: FailureType;
  readonly name: string;
  readonly timer: NodeJS.Timeout;
  /** How often it was told without an hour in between in which nothing happened. */
  readonly told: number;
  /** Nothing has happened for a while: the next time is told at once. */
  readonly isOver: boolean;
  attempts: number;
  /** Of these with the right password and a wrong code. */
  wrongCodes: number;
  from: string;
}

/**
 * The same login, whose failures are in the audit. Of each account it is told once a minute at most, with how often it happened, and
 * once an hour while it goes on and on; names that nobody has count as one. So whoever guesses fills the audit with little, and
 * pushes nothing out of it. Such a name is not written down, since people type their password where the name belongs.
 */
export function watchedLogin(login: Login, { accounts, trail }: WatchedLoginOptions): WatchedLogin {
  const quiet = new Map<string, Quiet>();
  let closed = false;

  async function failed(failure: Failure, name: string, from: string): Promise<void> {
    const found = await accounts.get(name).catch(() => null);
    if (closed) return;
    const type = failure.result === 'wrong' ? 'operator.login_failed' : 'operator.login_throttled';
    count(type, found?.account.name ?? '', failure.passwordWasRight ? 1 : 0, from);
  }

  function count(type: FailureType, name: string, wrongCodes: number, from: string): void {
    const key = `${type} ${name}`;
    const known = quiet.get(key);
    if (known && !known.isOver) {
      known.attempts += 1;
      known.wrongCodes += wrongCodes;
      known.from = from;
      return;
    }
    clearTimeout(known?.timer);
    tell({ type, name, attempts: 1, wrongCodes, from });
    rest(key, { type, name, from, told: (known?.told ?? 0) + 1, isOver: false, attempts: 0, wrongCodes: 0 });
  }

  function rest(key: string, since: Omit<Quiet, 'timer'>): void {
    const millis = since.isOver || since.told >= toldOften ? longQuietMillis : quietMillis;
    const timer = setTimeout(() => rested(key), millis);
    timer.unref();
    quiet.set(key, { ...since, timer });
  }

  function rested(key: string): void {
    const since = quiet.get(key);
    if (!since || since.isOver) return void quiet.delete(key);
    if (since.attempts === 0) return rest(key, { ...since, isOver: true });
    tell(since);
    rest(key, { ...since, told: since.told + 1, attempts: 0, wrongCodes: 0 });
  }

  function tell({ type, name, attempts, wrongCodes, from }: Omit<Quiet, 'timer' | 'told' | 'isOver'>): void {
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
