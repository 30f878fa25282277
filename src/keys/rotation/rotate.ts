import type { KeyKind, KeyRecord } from '../../core/credential.ts';
import { hasCode, type Store } from '../../core/store.ts';
import type { Seal } from '../../crypto/seal.ts';
import { newKey } from '../create.ts';
import { KeyError } from '../key-error.ts';
import { requireKnownSeal } from '../known-seal.ts';
import { isAlive, lineageOf, type Lineage } from '../lineage.ts';

/**
 * A rotation: a new key is created (pending: accepted by every verifier, but not known to have reached its caller), handed
 * over, and made the current one; the old key, previous from then on, is accepted until it is ended. At no moment is a key
 * refused that a caller may have: so whatever step the work dies at, calls go on, and the next attempt takes it up.
 */
export interface Begun {
  readonly record: KeyRecord;
  /** The new key, as createKey gives it. */
  readonly key: string;
}

export interface BeginOptions {
  readonly store: Store;
  readonly seal: Seal;
  /** Epoch seconds. */
  readonly now: number;
  /** When the new key ends, null for never; unless it is given it lives as long as the old one was meant to. */
  readonly expiresAt?: number | null;
}

/**
 * Creates the key that takes this one's place: same service, kind, scopes and addresses. Throws a KeyError with code
 * 'rotation_pending' when another one waits to do so already.
 */
export async function beginRotation(old: KeyRecord, options: BeginOptions): Promise<Begun> {
  const { store, seal, now, expiresAt = old.expiresAt === null ? null : now + old.expiresAt - old.createdAt } = options;
  const { service, kind, scopes, allowedIps } = old;
  await requireKnownSeal(store, seal, kind, now);
  const made = await newKey(seal, { service, kind, scopes, allowedIps, expiresAt, now });
  const record: KeyRecord = { ...made.record, replaces: old.id, pending: true };
  try {
    await store.keys.insert(record);
  } catch (error) {
    if (!hasCode(error, 'duplicate')) throw error;
    throw new KeyError('rotation_pending', `another rotation of key ${old.id} has just begun`);
  }
  return { record, key: made.key };
}

/**
 * Its caller has it: the new key becomes the current one, and the keys before it end at `previousEndsAt`, or earlier where
 * they do; null gives them no end. May be repeated. Throws a KeyError when the new key was revoked meanwhile.
 */
export async function finishRotation(
  store: Store,
  id: string,
  previousEndsAt: number | null,
  now: number,
): Promise<KeyRecord> {
  const record = await store.keys.promote(id, previousEndsAt);
  if (!record) throw new KeyError('unknown_key', `there is no key ${id}`);
  if (record.revokedAt !== null)
    throw new KeyError(
      'revoked_key',
      `the new key ${id} was revoked before it was handed over; the old one still counts`,
    );
  if (previousEndsAt === null) return record;
  // Usually that was done with it; not for what earlier rotations left behind, nor where this one was made current before.
  const lineage = lineageOf(await store.keys.list(), now);
  for (const before of lineage.previousOf(record)) await store.keys.setExpiry(before.id, previousEndsAt, 'sooner');
  return record;
}

/**
 * The new key was lost before it was handed over, as far as is known. It is not ended here, since somebody may have it all the
 * same: it becomes one more key to be replaced.
 */
export async function supersede(store: Store, pending: KeyRecord): Promise<KeyRecord> {
  return (await store.keys.promote(pending.id, null)) ?? pending;
}

/** Throws a KeyError that says what to name instead. */
export function keyToRotate(
  records: readonly KeyRecord[],
  lineage: Lineage,
  nameOrId: string,
  { kind, now }: { readonly kind: KeyKind | null; readonly now: number },
): KeyRecord {
  const named = records.find(({ id }) => id === nameOrId);
  if (named) return checked(named, lineage, now);
  const ofService = records.filter((record) => record.service === nameOrId && isAlive(record, now));
  const current = ofService.filter((record) => lineage.stageOf(record) === 'current');
  const meant = current.filter((record) => kind === null || record.kind === kind);
  const [first, ...more] = meant;
  if (first && more.length === 0) return first;
  if (first) {
    const each = meant.map(({ id, kind: its, lastFour }) => `${id} (${its} …${lastFour})`).join(', ');
    throw new KeyError('ambiguous_key', `${nameOrId} has ${meant.length} keys: name one by its id: ${each}`);
  }
  const what = kind === null ? 'living key' : `living key of kind ${kind}`;
  throw new KeyError('unknown_key', `there is no key with the id "${nameOrId}", and no ${what} of such a service`);
}

function checked(record: KeyRecord, lineage: Lineage, now: number): KeyRecord {
  const { id, service } = record;
  if (record.revokedAt !== null) throw new KeyError('revoked_key', `key ${id} of ${service} was revoked`);
  if (!isAlive(record, now)) throw new KeyError('unknown_key', `key ${id} of ${service} has expired: create a new one`);
  const current = lineage.currentFor(record);
  if (current)
    throw new KeyError('rotation_pending', `key ${id} was replaced already: the current one is ${current.id}`);
  if (record.pending)
    throw new KeyError(
      'rotation_pending',
      `key ${id} is the new one of a rotation of ${record.replaces}: name that one`,
    );
  return record;
}
