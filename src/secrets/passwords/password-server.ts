/** A server with an account whose password is to be changed. */
export interface PasswordServer {
  /** For people: 'role grafana of postgres at db:5432'. */
  readonly name: string;
  /** Logs in anew as the account; null: without a password. Rejects when the answer is not about the password. */
  accepts(password: string | null): Promise<boolean>;
  /** Logs in as whoever may change it. Rejects with 'login_refused' when that password is wrong. */
  open(password: string | null): Promise<PasswordSession>;
}

/** Stays open over the change, so that it can be taken back. */
export interface PasswordSession {
  /** From now on `next` counts. Where the server can hold several, the old one still does. */
  set(next: string): Promise<void>;
  /** Undoes `set`: `previous` counts again and `next` no longer. */
  takeBack(next: string, previous: string | null): Promise<void>;
  /** Only `next` counts from now on, after a restart as well. Resolves to what the operator must still do, or null. */
  finish(next: string): Promise<string | null>;
  close(): Promise<void>;
}

export type PasswordErrorCode =
  | 'login_refused'
  /** Postgres with `trust`, say: then no login proves anything. */
  | 'any_password'
  | 'no_such_account'
  | 'password_not_changed'
  /** It answered, and would not. */
  | 'server_refused'
  | 'server_unreachable';

/** The message never holds a password. */
export class PasswordError extends Error {
  readonly code: PasswordErrorCode;
  constructor(code: PasswordErrorCode, message: string) {
    super(message);
    this.name = 'PasswordError';
    this.code = code;
  }
}

/** Who logs in where, from a URL without a password. */
export interface PasswordTarget {
  readonly url: URL;
  /** Whose password is changed. */
  readonly account: string;
  /** Who changes it. */
  readonly login: string;
}

/** How long a server may take to answer. */
export const answerMillisMax = 10_000;

/** What went wrong, by its code: what a server says may repeat what it was sent. */
export function failed(name: string, error: unknown): PasswordError {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && !/^E[A-Z]/.test(code))
    return new PasswordError('server_refused', `${name}: the server refused it (${code})`);
  // Redis says its code in front: 'NOPERM …'.
  const [said] = /^[A-Z]{3,}(?= )/.exec(String(message)) ?? [];
  if (said !== undefined) return new PasswordError('server_refused', `${name}: the server refused it (${said})`);
  return new PasswordError(
    'server_unreachable',
    `${name} does not answer (${typeof code === 'string' ? code : 'no code'})`,
  );
}
