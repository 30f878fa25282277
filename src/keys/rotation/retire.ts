import type { KeyRecord } from '../../core/credential.ts';
import type { Store } from '../../core/store.ts';
import { KeyError } from '../key-error.ts';
import { lineageOf } from '../lineage.ts';
import { useWords } from '../use-words.ts';

export interface RetireOptions {
  readonly store: Store;
  /** Epoch seconds. */
  readonly now: number;
  /** How long it must have been unused. */
  readonly unusedSeconds: number;
  /** Whatever its use and its stage are. */
  readonly force: boolean;
}

/**
 * The key, if it may be retired: it was replaced, and nobody uses it any more. Throws a KeyError with code 'key_in_use', which
 * names the caller and the address, unless that is so. What was used a moment ago may be a few seconds on its way into the store.
 */
export async function retirable(id: string, { store, now, unusedSeconds, force }: RetireOptions): Promise<KeyRecord> {
  const records = await store.keys.list();
  const record = records.find((one) => one.id === id);
  if (!record) throw new KeyError('unknown_key', `there is no key with the id "${id}"`);
  if (record.revokedAt !== null || force) return record;
  const stage = lineageOf(records, now).stageOf(record);
  if (stage === 'current')
    throw new KeyError('key_in_use', `key ${id} is the current one of ${record.service}, and nothing replaces it`);
  if (stage === 'pending') throw new KeyError('key_in_use', `key ${id} waits to take the place of ${record.replaces}`);
  const [last] = await store.usage.list([id]);
  if (last && last.lastUsed > now - unusedSeconds)
    throw new KeyError('key_in_use', `key ${id} was last used ${useWords(last, now)}`);
  return record;
}

/** Ends a key that may be retired, for good and in every source; `already` where it was dead before. Throws as `retirable` does. */
export async function retireKey(id: string, options: RetireOptions): Promise<Ended> {
  const record = await retirable(id, options);
  return { record: (await options.store.keys.revoke(id, options.now)) ?? record, already: record.revokedAt !== null };
}

export interface Ended {
  readonly record: KeyRecord;
  readonly already: boolean;
}
