import type { Clock } from '../core/clock.ts';
import { eraseRecord, type RecordStore, type StoredRecord } from '../core/record.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { randomSecret } from '../crypto/random.ts';
import { isOpen, type Account, type Accounts } from './account.ts';

const sessionSecondsMax = 12 * 3600;
const idleSecondsMax = 30 * 60;
/** For how long a password that was shown counts as shown. */
export const confirmedSeconds = 5 * 60;

/** A session that a token leads to. */
export interface FoundSession {
  readonly account: Account;
  /** What the browser keeps as a cookie; in the store is its digest only. */
  readonly token: string;
  readonly csrfDigest: string;
  readonly expiresAt: number;
  readonly confirmedUntil: number;
}

/** A session as the page that was given it has it. */
export interface OpenSession extends FoundSession {
  /**
   * What a page of ours sends with every request, from the storage of its origin. A browser sends the cookie to every port of this
   * machine, so whoever serves one may have that: it leads nowhere by itself, and nothing of this can be made of it.
   */
  readonly csrf: string;
}

export interface Sessions {
  /** Of one who proved who they are; `provedAt`: when, unless just now. */
  open(account: Account, provedAt?: number): Promise<OpenSession>;
  /** Null for a token that is unknown, over, or of an account that changed. A use keeps the session awake. */
  find(token: string): Promise<FoundSession | null>;
  /** The same, and it keeps nothing awake. */
  peek(token: string): Promise<FoundSession | null>;
  /** Another token for the same session, the old one ends: of one who proved it once more, or whose account changed. */
  renew(session: FoundSession, account: Account): Promise<OpenSession>;
  close(token: string): Promise<void>;
}

interface Kept {
  readonly operator: string;
  readonly epoch: number;
  readonly csrfDigest: string;
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
    const [token, csrf] = [randomSecret(32).toString('base64url'), randomSecret(32).toString('base64url')];
    const { name: operator, epoch } = account;
    const kept = { operator, epoch, csrfDigest: sha256Hex(csrf), openedAt, seenAt: now, confirmedAt };
    await write(token, kept, null);
    return { ...found(token, kept, account), csrf };
  }

  async function look(token: string) {
    if (!/^[A-Za-z0-9_-]{43}$/.test(token)) return null;
    const record = await records.get(kind, sha256Hex(token), clock());
    if (!record) return null;
    const kept = record.value as unknown as Kept;
    // A version before this one wrote none: whoever is logged in since then logs in anew.
    if (typeof kept.csrfDigest !== 'string') return null;
    const account = (await accounts.get(kept.operator))?.account;
    if (!account || !isOpen(account, openidIssuer) || account.epoch !== kept.epoch) return null;
    return { kept, account, revision: record.revision };
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
      const looked = await look(token);
      if (!looked) return null;
      const { kept, account, revision } = looked;
      const now = clock();
      // Whoever is faster writes the same.
      if (now - kept.seenAt >= seenEverySeconds) await write(token, { ...kept, seenAt: now }, revision);
      return found(token, kept, account);
    },
    async peek(token) {
      const looked = await look(token);
      return looked && found(token, looked.kept, looked.account);
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

function endOf({ openedAt, seenAt }: Kept): number {
  return Math.min(openedAt + sessionSecondsMax, seenAt + idleSecondsMax);
}

function found(token: string, { openedAt, confirmedAt, csrfDigest }: Kept, account: Account): FoundSession {
  const confirmedUntil = confirmedAt + confirmedSeconds;
  return { account, token, csrfDigest, expiresAt: openedAt + sessionSecondsMax, confirmedUntil };
}
