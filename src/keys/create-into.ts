import type { Clock } from '../core/clock.ts';
import type { KeyRecord } from '../core/credential.ts';
import type { Store } from '../core/store.ts';
import type { Seal } from '../crypto/seal.ts';
import { createKey, type KeyOrder } from './create.ts';
import { KeyError } from './key-error.ts';
import { isAlive } from './lineage.ts';
import { takeBack } from './rotation/rotate-into.ts';
import { isSecretOf, type KeyTarget } from './targets/index.ts';

export interface CreateIntoOptions {
  readonly store: Store;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly target: KeyTarget;
}

/**
 * Makes a caller's first key, or one after the last has ended, and puts it where the caller reads it. Throws a KeyError when it
 * cannot be put there, or another key is there already, which its caller would lose; no key counts then.
 */
export async function createInto(order: Omit<KeyOrder, 'now'>, options: CreateIntoOptions): Promise<KeyRecord> {
  const { store, seal, clock, target } = options;
  await target.ready(order.kind);
  const held = await target.held();
  if (held !== null && !(await isOver(held, order.service, options)))
    throw new KeyError('not_delivered', `${target.name} holds a key already, which its caller would lose`);
  const { record, key } = await createKey(store, seal, { ...order, now: clock() });
  try {
    await target.put(key, record);
    return record;
  } catch (error) {
    await takeBack(options, record);
    throw error;
  }
}

/** Whether it is a key of this caller, and none that counts any more. */
async function isOver(held: string, service: string, { store, clock }: CreateIntoOptions): Promise<boolean> {
  const same = (await store.keys.list()).filter((record) => record.service === service && isSecretOf(held, record));
  return same.length > 0 && !same.some((record) => isAlive(record, clock()));
}
