import type { Clock } from '../../core/clock.ts';
import type { JsonValue, RecordStore } from '../../core/record.ts';
import { StoreError } from '../../core/store.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { TAKEN_BACK, takenBackId } from '../../keys/issued-tokens.ts';

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

export interface StateOptions {
  readonly records: RecordStore;
  readonly clock: Clock;
  /** How long what was issued under a grant may still be in use after the grant is gone, seconds. */
  readonly accessTokenSeconds: number;
  /** Thrown for a code or token that somebody else used at the same moment. */
  readonly alreadyUsed: () => Error;
}

export const CLIENT = 'oauth-client';
/** Ids of clients that registered themselves begin so. */
export const REGISTERED = 'r-';
/** And those that an operator made so; an id that is an address begins otherwise. */
export const MADE = 'c-';

/** A client that never heard the answer asks again with the token that it has, and two of its threads may do so at once. */
const graceSeconds = 10;
/** The library compares times itself; a record must not be gone before. */
const leewaySeconds = 60;
const attemptsMax = 8;

/**
 * All that the authorization server remembers, in the store, so that any replica can go on with what another began. Codes,
 * tokens and cookies are kept by the digest of what is presented: who reads the store can present none of them.
 */
export function stateAdapter(model: string, options: StateOptions): StateAdapter {
  const { records, clock } = options;
  const kind = model === 'Client' ? CLIENT : `oauth-${model.replace(/(?!^)[A-Z]/g, '-$&').toLowerCase()}`;

  async function write(id: string, value: JsonValue, expiresAt: number | null, of = kind): Promise<void> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const now = clock();
      const before = await records.get(of, id, now);
      if (await records.put({ kind: of, id, value, expiresAt }, before?.revision ?? null, now)) return;
    }
    throw new StoreError('store_unavailable', `the ${of} ${id} is written by too many at once`);
  }

  async function read(id: string): Promise<Payload | undefined> {
    const now = clock();
    const stored = await records.get(kind, sha256Hex(id), now);
    const value = stored?.value as Payload | undefined;
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

  async function hasGrant(grantId: string, now: number): Promise<boolean> {
    return (await records.get('oauth-grant', sha256Hex(grantId), now)) !== null;
  }

  async function pointedTo(of: string, key: string): Promise<Payload | undefined> {
    const pointer = await records.get(of, sha256Hex(key), clock());
    return typeof pointer?.value === 'string' ? read(pointer.value) : undefined;
  }

  return {
    async upsert(id, payload, expiresIn) {
      const expiresAt = expiresIn === undefined ? null : clock() + expiresIn + leewaySeconds;
      const { jti: _presented, ...kept } = payload;
      const value = JSON.parse(JSON.stringify(model === 'Client' ? storedClient(id, payload) : kept)) as JsonValue;
      await write(sha256Hex(id), value, expiresAt);
      if (typeof payload['uid'] === 'string' && model === 'Session')
        await write(sha256Hex(payload['uid']), id, expiresAt, 'oauth-session-uid');
      if (typeof payload['userCode'] === 'string')
        await write(sha256Hex(payload['userCode']), id, expiresAt, 'oauth-user-code');
    },
    find: read,
    findByUid: (uid) => pointedTo('oauth-session-uid', uid),
    findByUserCode: (userCode) => pointedTo('oauth-user-code', userCode),
    /** In one step: of two that come with the same code, one is too late, whichever replica they came to. */
    async consume(id) {
      const now = clock();
      const stored = await records.get(kind, sha256Hex(id), now);
      if (!stored) throw options.alreadyUsed();
      const value = stored.value as Readonly<Record<string, JsonValue>>;
      const before = value['consumedAt'];
      if (typeof before === 'number') {
        if (model === 'RefreshToken' && now - before <= graceSeconds) return;
        throw options.alreadyUsed();
      }
      const entry = { kind, id: stored.id, value: { ...value, consumedAt: now }, expiresAt: stored.expiresAt };
      if (await records.put(entry, stored.revision, now)) return;
      if (model !== 'RefreshToken') throw options.alreadyUsed();
    },
    async destroy(id) {
      const now = clock();
      const stored = await records.get(kind, sha256Hex(id), now);
      if (stored) await records.remove(kind, stored.id, stored.revision, now);
      if (model === 'Grant') await takeBack({ grantId: id });
    },
    /** What is kept of the grant is dead without it (see `read`); access tokens are kept nowhere, so they are called back. */
    async revokeByGrantId(grantId) {
      await takeBack({ grantId });
    },
  };

  async function takeBack(of: { readonly grantId: string }): Promise<void> {
    const now = clock();
    await write(
      takenBackId(of),
      { at: now + leewaySeconds },
      now + options.accessTokenSeconds + leewaySeconds,
      TAKEN_BACK,
    );
  }
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
