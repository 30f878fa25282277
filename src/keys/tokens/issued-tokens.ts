import { audience } from '../../core/audience.ts';
import type { Clock } from '../../core/clock.ts';
import { follow, toRecords } from '../../core/follow.ts';
import { changeRecord, everyRecord, type JsonValue, type RecordStore } from '../../core/record.ts';
import { StoreError, type Store } from '../../core/store.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { keyFinder, type IssuedTo, type TokenIssuer } from '../../schemes/oauth/index.ts';

/** Kinds of records of the embedded authorization server that whoever judges its tokens reads. */
export const SIGNING_KEY = 'oauth-key';
export const TAKEN_BACK = 'oauth-taken-back';

/** The embedded authorization server as its tokens' judges see it: public keys and what was taken back, in memory. */
export interface OwnIssuer extends TokenIssuer {
  /** Calls the listener whenever something was taken back. */
  onTakenBack(listener: () => void): () => void;
  /** When a key was last seen to be gone before its end, epoch seconds: whoever was let in by then may have been by a token that it signed. */
  readonly withdrawnAt: number;
  /** Since when it is known to be behind the store, by performance.now(); null while it is level. */
  behindSince(): number | null;
  close(): void;
}

export interface OwnIssuerOptions {
  readonly issuer: string;
  readonly store: Pick<Store, 'records' | 'watch'>;
  readonly clock: Clock;
  readonly onWarning: (text: string) => void;
}

/** What is taken back: one token by its id, all of one grant by the grant's or its digest, all of one client by its name. */
export type Issued =
  | { readonly tokenId: string }
  | { readonly grantId: string }
  | { readonly grantDigest: string }
  | { readonly clientId: string };

export interface TakingBack {
  readonly records: RecordStore;
  readonly clock: Clock;
  /** How long an access token lives. */
  readonly accessTokenSeconds: number;
}

/** So long what is issued meanwhile is meant, too: by who had begun, or by a replica whose clock is ahead. */
const stillSeconds = 60;

/**
 * All that was issued of it counts no more, nor what is issued within a minute. However many take back the same at once, the
 * last moment stays: a write that is overtaken is made anew.
 */
export async function takeBack(of: Issued, { records, clock, accessTokenSeconds }: TakingBack): Promise<void> {
  const at = clock() + stillSeconds;
  const isWritten = await changeRecord(records, { kind: TAKEN_BACK, id: takenBackId(of), clock }, (before) =>
    before !== null && momentOf(before.value) >= at ? null : { value: { at }, expiresAt: at + accessTokenSeconds },
  );
  if (!isWritten) throw new StoreError('store_unavailable', 'what was to be taken back is written by too many at once');
}

/** Whether what is issued of it now counts as taken back. Asked of the store: for who writes, not for who judges. */
export async function isTakenBack(
  of: Issued,
  { records, clock }: Omit<TakingBack, 'accessTokenSeconds'>,
): Promise<boolean> {
  const now = clock();
  const found = await records.get(TAKEN_BACK, takenBackId(of), now);
  return found !== null && momentOf(found.value) >= now;
}

export function takenBackId(of: Issued): string {
  if ('tokenId' in of) return `token/${sha256Hex(of.tokenId)}`;
  if ('grantDigest' in of) return `grant/${of.grantDigest}`;
  return 'grantId' in of ? `grant/${sha256Hex(of.grantId)}` : `client/${sha256Hex(of.clientId)}`;
}

/** Ids of tokens of one grant begin with the grant's. */
export function grantOf(tokenId: string): string | null {
  const dot = tokenId.indexOf('.');
  return dot === -1 ? null : tokenId.slice(0, dot);
}

/** Rejects when the store cannot be read at first; later on what was known stays, and counts as stale. */
export async function ownIssuer({ issuer, store, clock, onWarning }: OwnIssuerOptions): Promise<OwnIssuer> {
  const hearers = audience<void>();
  let find = keyFinder({ keys: [] });
  let known = '';
  let generation = 0;
  let ends = new Map<string, number>();
  let withdrawnAt = -Infinity;
  /** Until when what is issued counts as taken back, by id. */
  let takenBack = new Map<string, number>();

  async function read(): Promise<void> {
    const kept = await everyRecord(store.records, SIGNING_KEY, clock());
    const now = clock();
    const left = new Map(kept.map(({ id, expiresAt }) => [id, expiresAt ?? Infinity]));
    if ([...ends].some(([id, end]) => end > now && !left.has(id))) withdrawnAt = now;
    ends = left;
    const keys = kept.flatMap(({ value }) => publicKeyOf(value));
    const text = JSON.stringify(keys);
    if (text !== known) {
      find = keyFinder({ keys });
      known = text;
      generation += 1;
    }
    takenBack = new Map(
      (await everyRecord(store.records, TAKEN_BACK, clock())).map(({ id, value }) => [id, momentOf(value)]),
    );
    hearers.tell();
  }

  await read();
  const following = follow({
    store,
    concerns: toRecords(SIGNING_KEY, TAKEN_BACK),
    read,
    onFailure: (words) => onWarning(`what the authorization server took back cannot be read: ${words}`),
  });

  return {
    issuer,
    key: (header) => find(header),
    get generation() {
      return generation;
    },
    get withdrawnAt() {
      return withdrawnAt;
    },
    isRevoked: (token) =>
      takenBack.size > 0 && idsOf(token).some((id) => (takenBack.get(id) ?? -Infinity) >= token.issuedAt),
    onTakenBack: hearers.add,
    behindSince: following.behindSince,
    close: following.close,
  };
}

function idsOf({ tokenId, clientId }: IssuedTo): string[] {
  const grantId = grantOf(tokenId);
  return [takenBackId({ tokenId }), takenBackId({ clientId }), ...(grantId === null ? [] : [takenBackId({ grantId })])];
}

/** What stands beside the sealed half. A record that cannot be read verifies nothing. */
function publicKeyOf(value: JsonValue): JsonValue[] {
  return typeof value === 'object' && value !== null && 'public' in value && value.public !== undefined
    ? [value.public]
    : [];
}

/** All that was issued until then is meant; what cannot be read means everything. */
function momentOf(value: JsonValue): number {
  const at = typeof value === 'object' && value !== null && 'at' in value ? value.at : null;
  return typeof at === 'number' ? at : Infinity;
}
