import { changeRecord, eraseRecord, type JsonValue, type StoredRecord } from '../../core/record.ts';
import { StoreError } from '../../core/store.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import type { Seal } from '../../crypto/seal.ts';
import { isTakenBack, takeBack, type TakingBack } from '../../keys/tokens/issued-tokens.ts';
import { sealedModels, sealedState } from './sealed-state.ts';

/** What the library keeps under one id, and hands back as it was. */
export type Payload = Readonly<Record<string, unknown>>;

/** The part of the library's adapter interface that it asks of us, for one kind of thing. */
export interface StateAdapter {
  upsert(id: string, payload: Payload, expiresIn?: number): Promise<void>;
  find(id: string): Promise<Payload | undefined>;
  findByUid(uid: string): Promise<Payload | undefined>;
  findByUserCode(userCode: string): Promise<Payload | undefined>;
  consume(id: string): Promise<void>;
  destroy(id: string): Promise<void>;
  revokeByGrantId(grantId: string): Promise<void>;
}

export interface StateOptions extends TakingBack {
  readonly seal: Seal;
  /** Thrown for what somebody else used, or ended, at the same moment. */
  readonly refusal: (words: string) => Error;
}

export const CLIENT = 'oauth-client';
/** Ids of clients that registered themselves begin so. */
export const REGISTERED = 'r-';
/** And those that an operator made so; an id that is an address begins otherwise. */
export const MADE = 'c-';

/** For so long a client that registered itself is kept before its first use. */
const unusedSeconds = 86_400;
/** A client that never heard the answer asks again with the token that it has, and two of its threads may do so at once. */
const graceSeconds = 10;
/** The library compares times itself; a record must not be gone before. */
const leewaySeconds = 60;

/**
 * All that the authorization server remembers, in the store, so that any replica can go on with what another began. Codes,
 * tokens and cookies are kept by the digest of what is presented, and sealed where another record has to name them: who reads the
 * store can present none of them.
 */
export function stateAdapter(model: string, options: StateOptions): StateAdapter {
  const { records, clock } = options;
  const sealed = sealedState(options.seal);
  const isSealed = sealedModels.has(model);
  const kind = model === 'Client' ? CLIENT : `oauth-${model.replace(/(?!^)[A-Z]/g, '-$&').toLowerCase()}`;

  async function write(id: string, value: JsonValue, expiresAt: number | null, of = kind): Promise<void> {
    await written(of, id, options, () => ({ value, expiresAt }));
  }

  async function read(id: string): Promise<Payload | undefined> {
    const now = clock();
    const value = opened(await records.get(kind, sha256Hex(id), now));
    if (!value) return undefined;
    const { grantId, consumedAt, ...payload } = value;
    if (typeof grantId === 'string' && model !== 'Grant' && !(await hasGrant(grantId, now))) return undefined;
    const whole = grantId === undefined ? payload : { ...payload, grantId };
    const used = typeof consumedAt === 'number' && !(model === 'RefreshToken' && now - consumedAt <= graceSeconds);
    return {
      ...whole,
      ...(model === 'Client' ? {} : { jti: id }),
      ...(used ? { consumed: Math.floor(consumedAt) } : {}),
    };
  }

  function opened(stored: StoredRecord | null): Payload | null {
    if (!stored || !isSealed) return stored && (stored.value as Payload);
    const { sealed: closed, ...beside } = stored.value as { readonly [name: string]: JsonValue };
    const text = sealed.open(kind, stored.id, closed);
    return text === null ? null : { ...(JSON.parse(text) as Payload), ...beside };
  }

  async function hasGrant(grantId: string, now: number): Promise<boolean> {
    return (await records.get('oauth-grant', sha256Hex(grantId), now)) !== null;
  }

  async function pointedTo(of: string, key: string): Promise<Payload | undefined> {
    const pointer = await records.get(of, sha256Hex(key), clock());
    const id = pointer && sealed.open(of, pointer.id, pointer.value);
    return id === null ? undefined : read(id);
  }

  function writePointer(of: string, key: string, id: string, expiresAt: number | null): Promise<void> {
    const digest = sha256Hex(key);
    return write(digest, sealed.close(of, digest, id), expiresAt, of);
  }

  return {
    async upsert(id, payload, expiresIn) {
      if (model === 'Client') return writeClient(id, payload, options);
      const expiresAt = expiresIn === undefined ? null : clock() + expiresIn + leewaySeconds;
      const { jti: _presented, ...kept } = payload;
      const text = JSON.stringify(kept);
      const digest = sha256Hex(id);
      const value = isSealed ? { sealed: sealed.close(kind, digest, text) } : (JSON.parse(text) as JsonValue);
      if (model === 'ReplayDetection') return writeOnce(digest, value, expiresAt);
      await write(digest, value, expiresAt);
      if (model === 'Grant') await standsBy(id, payload);
      if (typeof payload['uid'] === 'string' && model === 'Session')
        await writePointer('oauth-session-uid', payload['uid'], id, expiresAt);
      if (typeof payload['userCode'] === 'string')
        await writePointer('oauth-user-code', payload['userCode'], id, expiresAt);
    },
    find: read,
    findByUid: (uid) => pointedTo('oauth-session-uid', uid),
    findByUserCode: (userCode) => pointedTo('oauth-user-code', userCode),
    /** In one step: of two that come with the same code, one is too late, whichever replica they came to. */
    async consume(id) {
      const now = clock();
      const stored = await records.get(kind, sha256Hex(id), now);
      if (!stored) throw usedAlready();
      const value = stored.value as Readonly<Record<string, JsonValue>>;
      const before = value['consumedAt'];
      if (typeof before === 'number') {
        if (model === 'RefreshToken' && now - before <= graceSeconds) return;
        throw usedAlready();
      }
      const entry = { kind, id: stored.id, value: { ...value, consumedAt: now }, expiresAt: stored.expiresAt };
      if (await records.put(entry, stored.revision, now)) return;
      if (model !== 'RefreshToken') throw usedAlready();
    },
    async destroy(id) {
      if (model === 'Grant') await takeBack({ grantId: id }, options);
      await erase(id);
    },
    /** What is kept of the grant is dead without it (see `read`); access tokens are kept nowhere, so they are called back. */
    async revokeByGrantId(grantId) {
      await takeBack({ grantId }, options);
    },
  };

  /** An id that proofs may use once: of two that bring it at the same moment, one is too late. */
  async function writeOnce(id: string, value: JsonValue, expiresAt: number | null): Promise<void> {
    if (!(await records.put({ kind, id, value, expiresAt }, null, clock()))) throw usedAlready();
  }

  /**
   * Whoever ends a client or a grant says so first and looks for grants then; whoever writes a grant looks behind what is said. So
   * one of the two sees the other, and no grant is left over.
   */
  async function standsBy(grantId: string, { clientId }: Payload): Promise<void> {
    const ended = await Promise.all([
      isTakenBack({ grantId }, options),
      isTakenBack({ clientId: String(clientId) }, options),
    ]);
    if (!ended.includes(true)) return;
    await erase(grantId);
    throw options.refusal('this client was ended a moment ago');
  }

  async function erase(id: string): Promise<void> {
    if (!(await eraseRecord(records, kind, sha256Hex(id), clock())))
      throw new StoreError('store_unavailable', `the ${kind} goes on being written by others`);
  }

  function usedAlready(): Error {
    return options.refusal('it was used already');
  }
}

/** Who comes by itself is not kept for ever. One that registers the same again loses nothing. */
export async function writeClient(
  id: string,
  payload: Payload,
  options: Pick<TakingBack, 'records' | 'clock'>,
): Promise<void> {
  const value = JSON.parse(JSON.stringify(storedClient(id, payload))) as JsonValue;
  const first = id.startsWith(REGISTERED) ? options.clock() + unusedSeconds : null;
  await written(CLIENT, sha256Hex(id), options, (before) => ({
    value,
    expiresAt: first && Math.max(first, before?.expiresAt ?? 0),
  }));
}

async function written(
  kind: string,
  id: string,
  { records, clock }: Pick<TakingBack, 'records' | 'clock'>,
  change: (before: StoredRecord | null) => Pick<StoredRecord, 'value' | 'expiresAt'>,
): Promise<void> {
  if (!(await changeRecord(records, { kind, id, clock }, change)))
    throw new StoreError('store_unavailable', `the ${kind} ${id} is written by too many at once`);
}

/**
 * Of the secret a digest: 512 random bits need no slow one. Clients that register write down the scopes of their first request;
 * taken for a bound, they could never ask for more. What they get is up to the operator whom they ask.
 */
function storedClient(id: string, payload: Payload): Payload {
  const { client_secret: secret, scope, ...rest } = payload;
  return {
    ...rest,
    ...(typeof secret === 'string' && { client_secret: sha256Hex(secret) }),
    ...(scope !== undefined && !id.startsWith(REGISTERED) && { scope }),
  };
}
