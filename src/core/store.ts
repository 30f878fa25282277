import type { KeyRecord, KeyUse, TokenRecord } from './credential.ts';
import type { Mode } from './mode.ts';
import type { Outcome } from './decision.ts';
import type { EventStore } from './event.ts';
import type { RecordStore } from './record.ts';
import type { DecisionGroup, RollupMeasure, Rollups } from './rollup.ts';

/**
 * Where state lives. Verbs that guard against races are single and atomic; none is a read followed by a write. Every verb
 * rejects with a StoreUnavailable when the store cannot be reached, and never with a guess. What a resolved promise
 * acknowledges survives the process being killed (except in the memory store). store.contract.ts is the specification.
 */
export interface Store {
  readonly kind: string;
  readonly keys: KeyStore;
  readonly tokens: TokenStore;
  readonly modes: ModeStore;
  readonly limits: LimitStore;
  readonly decisions: DecisionStore;
  readonly usage: UsageStore;
  readonly records: RecordStore;
  readonly events: EventStore;
  /** How far the schema is; changes nothing. Rejects where `migrate` could only reject. */
  schema(): Promise<SchemaState>;
  /**
   * Brings the schema up to date; safe with several starting at once, and again when nothing is to be done. Resolves to the
   * steps that were taken here.
   */
  migrate(): Promise<readonly SchemaStep[]>;
  /** Resolves when the store answers, and rejects where it takes no writes: a standby, a replica of Redis, a file that may only be read. */
  ping(): Promise<void>;
  /** What about the server endangers what is kept in it, a sentence each, for the operator; usually none. */
  warnings(): Promise<readonly string[]>;
  /**
   * Calls the listener after every change made here or by another process on the same store; returns how to stop.
   * 'lost' means that the feed is interrupted, and what is held in memory may fall behind; a 'resync' ends it. 'resync' means
   * that changes may have been missed: everything held in memory is to be read anew.
   */
  watch(listener: (change: Change) => void): () => void;
  close(): Promise<void>;
}

export interface SchemaStep {
  readonly version: number;
  readonly name: string;
}

/** A store without a schema of its own (memory, Redis) has every step taken, there being none. */
export interface SchemaState {
  /** False while nothing of ours is there. */
  readonly made: boolean;
  readonly missing: readonly SchemaStep[];
  /** How many session tokens are in a table that was there before us, and is taken over with them; null without one. */
  readonly adopts: number | null;
}

export const noSchema: SchemaState = { made: true, missing: [], adopts: null };

export type Change =
  | { readonly topic: 'keys'; readonly id: string }
  | { readonly topic: 'tokens'; readonly id: string }
  | { readonly topic: 'revocations'; readonly id: string }
  | { readonly topic: 'modes'; readonly id: string }
  /** KIND/ID; a kind has no slash. */
  | { readonly topic: 'records'; readonly id: string }
  /** Since: the last moment at which nothing was missing, milliseconds by performance.now(). */
  | { readonly topic: 'lost'; readonly id: ''; readonly since: number }
  | { readonly topic: 'resync'; readonly id: '' };

export interface KeyStore {
  /**
   * Rejects with code 'duplicate' when the id is taken or the digest is stored already; and for a pending record when another
   * key that is pending, and not revoked, takes the place of the same one: there is one rotation at a time.
   */
  insert(record: KeyRecord): Promise<void>;
  get(id: string): Promise<KeyRecord | null>;
  byDigest(digest: string): Promise<KeyRecord | null>;
  /** All keys, revoked and expired ones too, oldest first. */
  list(): Promise<KeyRecord[]>;
  /**
   * The same in no order and in pages of bounded size, for those who need not hold them all at once. A key that is there all
   * the while comes at least once, as it was when its page was read.
   */
  pages(): AsyncIterable<readonly KeyRecord[]>;
  /**
   * Marks the key revoked and leaves its digest among the revocations, in one step. The first revocation's time stays.
   * Null when there is no such key.
   */
  revoke(id: string, at: number): Promise<KeyRecord | null>;
  /**
   * Makes a pending key the current one, and in the same step gives the key that it replaces an end at `previousEndsAt` unless
   * that ends earlier; null leaves it as it is. Changes nothing of a key that is not pending or is revoked, and no revoked
   * predecessor. Null when there is no such key.
   */
  promote(id: string, previousEndsAt: number | null): Promise<KeyRecord | null>;
  /**
   * Sets a key's end, null for none; with 'sooner' only where that is sooner than it was. A revoked key stays as it is:
   * nothing brings it back. Null when there is no such key.
   */
  setExpiry(id: string, expiresAt: number | null, only?: 'sooner'): Promise<KeyRecord | null>;
  /** Digests (lower-case hex SHA-256) that are dead in every key source. */
  revocations(): Promise<string[]>;
  /** For a key that is in no record of ours: found in a file, say. Idempotent. */
  revokeDigest(digest: string, at: number): Promise<void>;
}

/** How long an expired token is still known as expired, seconds; then it is forgotten. */
export const tokenKeptSeconds = 30 * 86_400;

export interface TokenStore {
  /** Rejects with code 'duplicate' when the id or the hash is taken. */
  insert(record: TokenRecord): Promise<void>;
  byHash(tokenHash: string): Promise<TokenRecord | null>;
  get(tokenId: string): Promise<TokenRecord | null>;
  /** Neither revoked nor expired at `now`, newest first, at most `limit`. */
  listActive(now: number, limit: number): Promise<TokenRecord[]>;
  /** Null when there is no such token. The first revocation's time stays. */
  revoke(tokenId: string, at: number): Promise<TokenRecord | null>;
  /** Removes what expired before `before`; resolves to how many. */
  deleteExpired(before: number): Promise<number>;
}

/** '' is the stack, 'embeddings' a service, 'embeddings/embed' a route; '*' is what `--all` set. */
export interface ModeRow {
  readonly scope: string;
  readonly mode: Mode;
  readonly setAt: number;
  readonly setBy: string;
}

export interface ModeStore {
  list(): Promise<ModeRow[]>;
  set(row: ModeRow): Promise<void>;
  /** Removes every row and sets `*` to the row's mode, in one step. */
  setAll(row: ModeRow): Promise<void>;
  /** Removes one scope's row, or every row when the scope is null; with `only`, rows of that mode only. */
  clear(scope: string | null, only?: Mode): Promise<void>;
}

export interface LimitState {
  readonly allowed: boolean;
  /** Uses in the current window, this one included when it was allowed. */
  readonly count: number;
  /** Seconds until the window ends. */
  readonly retryAfter: number;
}

/** Counters and one-time values. They survive a restart where the store can, but need not survive a power cut. */
export interface LimitStore {
  /** Takes one of `limit` uses of `key` within a window that starts with its first use; atomic. */
  take(key: string, limit: number, windowSeconds: number, now: number): Promise<LimitState>;
  /** Looks without taking. */
  peek(key: string, limit: number, now: number): Promise<LimitState>;
  /** True for exactly one caller per key until `expiresAt`; atomic. */
  once(key: string, expiresAt: number, now: number): Promise<boolean>;
}

/** One decision as it is kept and logged. Empty strings where there is nothing to say. */
export interface DecisionRow {
  /** Epoch seconds with a fraction. */
  readonly time: number;
  readonly outcome: Outcome;
  /** A reason code, or ''. */
  readonly reason: string;
  readonly note: string;
  readonly mode: Mode;
  readonly service: string;
  readonly route: string;
  readonly method: string;
  /** Without the query: it may hold what is nobody's business. */
  readonly path: string;
  /** The proven principal, or ''. */
  readonly principal: string;
  /** Who the caller claims to be, unproven, or ''. */
  readonly claimed: string;
  readonly scheme: string;
  readonly credentialId: string;
  readonly clientAddress: string;
  readonly skewSeconds: number | null;
  readonly durationMicros: number;
  readonly requestId: string;
}

export interface DecisionFilter {
  readonly since?: number;
  readonly until?: number;
  readonly outcome?: Outcome;
  readonly service?: string;
  /** As the row names it: '/embed'. */
  readonly route?: string;
  readonly reason?: string;
  readonly caller?: string;
  /**
   * No store has an index of these, which every decision would pay for: the rows are looked through, in steps that others need
   * not wait for. Of a proxy's ids several rows may have the same one.
   */
  readonly requestId?: string;
  /** Only rows after this sequence number, oldest first: for following. -Infinity: all, whatever number they have. */
  readonly after?: number;
  readonly limit: number;
}

export interface DecisionStore {
  /** More rows than this are never kept, whatever `prune` is told. */
  readonly rowsMax: number;
  /**
   * Keeps the rows and counts them in the roll-ups, in one step: whatever is kept is counted, once, but for what operators asked
   * (core/probe.ts). `measures` were taken beside them and are added as they are. Where it rejects nobody knows whether that was done;
   * the same rows, with more behind them, and the same measures may be added again, and are kept and counted once.
   */
  append(rows: readonly DecisionRow[], measures?: readonly RollupMeasure[]): Promise<void>;
  /** Oldest first; the newest `limit` rows, or with `after` the first `limit` behind it. */
  list(filter: DecisionFilter): Promise<(DecisionRow & { readonly sequence: number })[]>;
  /** Who did what within a time, the most frequent first; with a credential's id only what was done with that one. */
  groups(since: number, until: number, credentialId?: string): Promise<DecisionGroup[]>;
  /**
   * Removes what is older than `before`; then of the rows of nobody proven (`isOfNobody`) all but the newest
   * floor(keep / 2), since anybody can make any number of those; then all but the newest `keep` rows.
   * Resolves to how many.
   */
  prune(before: number, keep: number): Promise<number>;
  /**
   * What was decided within a time, in whole buckets: by the hour where whole hours are meant, or minutes are no longer kept;
   * by the minute elsewhere. Rows that are pruned stay counted. However many names and addresses callers make up, a bucket
   * has a bounded number of groups (see stores/roll-up.ts).
   */
  rollups(since: number, until: number): Promise<Rollups>;
  /** Removes roll-ups that are older at `now` than they are to be kept (bucketKeptSeconds). */
  pruneRollups(now: number): Promise<void>;
}

/** What whoever records needs of a DecisionStore. */
export type DecisionKeeper = Pick<DecisionStore, 'append' | 'prune' | 'pruneRollups'>;

/** Of each credential the uses from so many places are kept, those that were used last. */
export const usesKeptMax = 100;

/** When keys were last used, by whom and from where. Written in batches behind the requests' backs. */
export interface UsageStore {
  /**
   * Adds to what is known of each credential, caller and address: counts add up, the first use is the earliest, the last the
   * latest. Of a credential the `usesKeptMax` that were used last are kept.
   */
  add(uses: readonly KeyUse[]): Promise<void>;
  /** The one used last comes first; of all credentials, or of these. */
  list(credentialIds?: readonly string[]): Promise<KeyUse[]>;
}

export type StoreErrorCode = 'store_unavailable' | 'schema_outdated' | 'duplicate';

/** Compare `code`, not the class: two copies of a package may be installed. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  /** It answers, and takes no writes: a standby, a replica of Redis. */
  readonly readOnly: boolean;
  /** It answers, and cannot hold a value that it was given: trying again is of no use, and other values it would take. */
  readonly unstorable: boolean;
  constructor(
    code: StoreErrorCode,
    message: string,
    options: ErrorOptions & { readonly readOnly?: boolean; readonly unstorable?: boolean } = {},
  ) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
    this.readOnly = options.readOnly ?? false;
    this.unstorable = options.unstorable ?? false;
  }
}

export function isUnstorable(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'unstorable' in error && error.unstorable === true;
}

export function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
