import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';
import type { KeyRecord } from '../../core/credential.ts';
import type { Store } from '../../core/store.ts';
import type { Seal } from '../../crypto/seal.ts';
import { KeyError } from '../key-error.ts';
import { lineageOf } from '../lineage.ts';
import { beginRotation, finishRotation, supersede } from './rotate.ts';
import { isSecretOf, type KeyTarget } from '../targets/index.ts';

/** In this order. Told when a step is done, so that each can be logged, and the work be ended behind it. */
export type RotationStep = 'created' | 'known' | 'delivered' | 'finished';

export interface RotateIntoOptions {
  readonly store: Store;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly target: KeyTarget;
  /** How long every verifier is given to hear of the new key before its caller gets it. */
  readonly settleMillis: number;
  /** How long the old keys are accepted from the end on; null: until somebody ends them. */
  readonly graceSeconds: number | null;
  /** Of the new key; see beginRotation. */
  readonly expiresAt?: number | null;
  readonly onStep?: (step: RotationStep, record: KeyRecord) => void | Promise<void>;
}

/**
 * Brings a key's successor to where the caller reads it: verifiers first, then the caller. A rotation that was broken off is
 * taken up where it stopped: whether the key arrived is seen at the target. Throws a KeyError when it cannot be delivered;
 * nothing has changed for the caller then.
 */
export async function rotateInto(current: KeyRecord, options: RotateIntoOptions): Promise<KeyRecord> {
  const { store, clock, target, graceSeconds, onStep } = options;
  await target.ready(current.kind);
  const lineage = lineageOf(await store.keys.list(), clock());
  const pending = lineage.pendingFor(current);
  let next: KeyRecord;
  if (pending && (await holds(target, pending))) next = pending;
  else next = await delivered(pending ? await supersede(store, pending) : current, options);
  const now = clock();
  const record = await finishRotation(store, next.id, graceSeconds === null ? null : now + graceSeconds, now);
  await onStep?.('finished', record);
  return record;
}

async function delivered(old: KeyRecord, options: RotateIntoOptions): Promise<KeyRecord> {
  const { store, seal, clock, target, settleMillis, expiresAt, onStep } = options;
  const { record, key } = await beginRotation(old, {
    store,
    seal,
    now: clock(),
    ...(expiresAt !== undefined && { expiresAt }),
  });
  await onStep?.('created', record);
  await sleep(settleMillis);
  await onStep?.('known', record);
  try {
    await target.put(key, record);
  } catch (error) {
    await takeBack(options, record);
    throw error;
  }
  if (!(await holds(target, record)))
    throw new KeyError(
      'not_delivered',
      `${target.name} holds another key than was put there: something else writes it`,
    );
  await onStep?.('delivered', record);
  return record;
}

/** Only what is seen not to have arrived: where that is in doubt the key stays, and the next attempt looks again. */
export async function takeBack(
  { store, clock, target }: Pick<RotateIntoOptions, 'store' | 'clock' | 'target'>,
  record: KeyRecord,
): Promise<void> {
  const arrived = await holds(target, record).catch(() => true);
  if (!arrived) await store.keys.revoke(record.id, clock());
}

async function holds(target: KeyTarget, record: KeyRecord): Promise<boolean> {
  const text = await target.held();
  return text !== null && isSecretOf(text, record);
}
