import type { Clock } from '../core/clock.ts';
import type { KeyRecord } from '../core/credential.ts';
import type { Store } from '../core/store.ts';
import type { Seal } from '../crypto/seal.ts';
import { createKey, type KeyOrder } from './create.ts';
import { KeyError } from './key-error.ts';
import { takeBack } from './rotate-into.ts';
import type { KeyTarget } from './targets/index.ts';

export interface CreateIntoOptions {
  readonly store: Store;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly target: KeyTarget;
}

/**
 * Makes a caller's first key and puts it where the caller reads it. Throws a KeyError when it cannot be put there, or another key
 * is there already, which its caller would lose; no key counts then.
 */
export async function createInto(order: Omit<KeyOrder, 'now'>, options: CreateIntoOptions): Promise<KeyRecord> {
  const { store, seal, clock, target } = options;
  await target.ready(order.kind);
  if ((await target.held()) !== null)
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
