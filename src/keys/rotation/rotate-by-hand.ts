import { setTimeout as sleep } from 'node:timers/promises';
import { rfc3339, type Clock } from '../../core/clock.ts';
import type { KeyRecord } from '../../core/credential.ts';
import type { Store } from '../../core/store.ts';
import type { Seal } from '../../crypto/seal.ts';
import { KeyError } from '../key-error.ts';
import type { Lineage } from '../lineage.ts';
import { beginRotation, supersede, type Begun } from './rotate.ts';
import { agoWords, useWords } from '../use-words.ts';

export interface ByHandOptions {
  readonly store: Store;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly lineage: Lineage;
  /** How long every verifier is given to hear of the new key before anybody has it. */
  readonly settleMillis: number;
  /** The new key of the last rotation was lost: another is made. */
  readonly anew: boolean;
  /** Of the new key; see beginRotation. */
  readonly expiresAt?: number | null;
}

export interface NewInHand extends Begun {
  /** The key whose place it takes. */
  readonly old: KeyRecord;
}

/**
 * The first half of a rotation whose new key a person hands over: it is made, and every verifier has heard of it. finishRotation
 * is the other half, once its caller has it. Throws as `replaceable` does.
 */
export async function rotateByHand(key: KeyRecord, options: ByHandOptions): Promise<NewInHand> {
  const { store, seal, clock, settleMillis, expiresAt } = options;
  const found = await replaceable(key, options);
  const old = found.pending ? await supersede(store, found) : found;
  const begun = await beginRotation(old, { store, seal, now: clock(), ...(expiresAt !== undefined && { expiresAt }) });
  await sleep(settleMillis);
  return { ...begun, old };
}

/**
 * The key to replace: this one, or the new one of its last rotation where that was lost. Throws a KeyError: one rotation at a
 * time, so a second one has to wait until the first is over (code 'rotation_pending' or 'rotation_unfinished'), unless its
 * key was lost; a new key that is in use was not (code 'key_in_use').
 */
export async function replaceable(
  key: KeyRecord,
  { store, clock, lineage, anew }: Pick<ByHandOptions, 'store' | 'clock' | 'lineage' | 'anew'>,
): Promise<KeyRecord> {
  const now = clock();
  const pending = lineage.pendingFor(key);
  const [use] = pending ? await store.usage.list([pending.id]) : [];
  if (pending && use)
    throw new KeyError(
      'key_in_use',
      `key ${key.id} is being replaced, and the new one, ${pending.id}, is in use already: ${useWords(use, now)}`,
    );
  if (pending && !anew)
    throw new KeyError(
      'rotation_pending',
      `key ${key.id} is being replaced since ${agoWords(now - pending.createdAt)}: the new one is ${pending.id} (…${pending.lastFour})`,
    );
  const [before] = lineage.previousOf(key);
  if (!pending && before && !anew)
    throw new KeyError(
      'rotation_unfinished',
      `the last rotation is not over: key ${key.id} took the place of ${before.id} ${agoWords(now - key.createdAt)}, and that one ${before.expiresAt === null ? 'is still accepted' : `is accepted until ${rfc3339(before.expiresAt)}`}`,
    );
  return pending ?? key;
}

/** The new key of a rotation that can be finished, by itself or by the key that it replaces. Throws a KeyError. */
export function toFinish(key: KeyRecord, lineage: Lineage): KeyRecord {
  const found =
    key.pending && lineage.stageOf(key) === 'pending'
      ? key
      : (lineage.pendingFor(key) ?? (lineage.previousOf(key).length > 0 ? key : null));
  if (!found) throw new KeyError('unknown_key', `there is no rotation of key ${key.id} to finish`);
  return found;
}
