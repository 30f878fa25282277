import type { Clock } from '../core/clock.ts';
import { eraseRecord, type RecordStore, type StoredRecord } from '../core/record.ts';
import { sha256Base64, sha256Hex } from '../crypto/digest.ts';
import { randomSecret } from '../crypto/random.ts';
import { isOpen, type Account, type Accounts } from './account.ts';

const sessionSecondsMax = 12 * 3600;
const idleSecondsMax = 30 * 60;
/** For how long a password that was shown counts as shown. */
export const confirmedSeconds = 5 * 60;

/** A session as whoever holds its token has it. */
export interface OpenSession {
  readonly account: Account;
  /** What the browser keeps as a cookie; in the store is its digest only. */
  readonly token: string;
  /** What a page of ours sends with every change: made of the token, which pages cannot read and other origins do not have. */
  readonly csrf: string;
  readonly expiresAt: number;
  readonly confirmedUntil: number;
}

export interface Sessions {
  /** Of one who proved who they are; `provedAt`: when, unless just now. */
  open(account: Account, provedAt?: number): Promise<OpenSession>;
  /** Null for a token that is unknown, over, or of an account that changed. A use keeps the session awake. */
  find(token: string): Promise<OpenSession | null>;
  /** The same, and it keeps nothing awake. */
  peek(token: string): Promise<OpenSession | null>;
  /** Another token for the same session, the old one ends: of one who proved it once more, or whose account changed. */
  renew(session: OpenSession, account: Account): Promise<OpenSession>;
  close(token: string): Promise<void>;
}

interface Kept {
  readonly operator: string;
  readonly epoch: number;
  readonly openedAt: number;
  readonly seenAt: number;
  readonly confirmedAt: number;
}

export interface SessionsOptions {
  readonly records: RecordStore;
  readonly clock: Clock;
  readonly accounts: Accounts;
  /** The provider whose accounts count; null for none. */
  readonly openidIssuer: string | null;
}

const kind = 'session';
/** Not every request writes. */
const seenEverySeconds = 60;

export function sessions({ records, clock, accounts, openidIssuer }: SessionsOptions): Sessions {
  async function write(token: string, kept: Kept, expected: string | null): Promise<StoredRecord | null> {
    return records.put({ kind, id: sha256Hex(token), value: { ...kept }, expiresAt: endOf(kept) }, expected, clock());
  }

  async function begin(account: Account, openedAt: number, confirmedAt: number): Promise<OpenSession> {
    const now = clock();
    const token = randomSecret(32).toString('base64url');
    const kept = { operator: account.name, epoch: account.epoch, openedAt, seenAt: now, confirmedAt };
    await write(token, kept, null);
    return shown(token, kept, account);
  }

  async function look(token: string) {
    if (!/^[A-Za-z0-9_-]{43}$/.test(token)) return null;
    const found = await records.get(kind, sha256Hex(token), clock());
    if (!found) return null;
    const kept = found.value as unknown as Kept;
    const account = (await accounts.get(kept.operator))?.account;
    if (!account || !isOpen(account, openidIssuer) || account.epoch !== kept.epoch) return null;
    return { kept, account, revision: found.revision };
  }

  async function close(token: string): Promise<void> {
    if (!(await eraseRecord(records, kind, sha256Hex(token), clock())))
      throw new Error('the session could not be ended: it kept being used');
  }

  return {
    async open(account, provedAt) {
      // Nobody comes back to end what was left open.
      await records.deleteExpired(clock());
      return begin(account, clock(), provedAt ?? clock());
    },
    async find(token) {
      const found = await look(token);
      if (!found) return null;
      const { kept, account, revision } = found;
      const now = clock();
      // Whoever is faster writes the same.
      if (now - kept.seenAt >= seenEverySeconds) await write(token, { ...kept, seenAt: now }, revision);
      return shown(token, kept, account);
    },
    async peek(token) {
      const found = await look(token);
      return found && shown(token, found.kept, found.account);
    },
    async renew(session, account) {
      const kept = await records.get(kind, sha256Hex(session.token), clock());
      const openedAt = (kept?.value as unknown as Kept | undefined)?.openedAt ?? clock();
      const next = await begin(account, openedAt, clock());
      await close(session.token);
      return next;
    },
    close,
  };
}

/** The token of a page's own session, in another form: whoever has it does not have the token. */
function csrfOf(token: string): string {
  return sha256Base64(`csrf:${token}`);
}

function endOf({ openedAt, seenAt }: Kept): number {
  return Math.min(openedAt + sessionSecondsMax, seenAt + idleSecondsMax);
}

function shown(token: string, kept: Kept, account: Account): OpenSession {
  const confirmedUntil = kept.confirmedAt + confirmedSeconds;
  return { account, token, csrf: csrfOf(token), expiresAt: kept.openedAt + sessionSecondsMax, confirmedUntil };
}
