import type { KeyRecord, KeyUse } from '../core/credential.ts';
import type { Store } from '../core/store.ts';
import { KeyError } from './key-error.ts';
import { lineageOf } from './lineage.ts';

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

/** Ends a key that may be retired, for good and in every source. Throws as `retirable` does. */
export async function retireKey(id: string, options: RetireOptions): Promise<KeyRecord> {
  const record = await retirable(id, options);
  return (await options.store.keys.revoke(id, options.now)) ?? record;
}

/** '3 h ago by ai-stack from 10.0.0.7'. */
export function useWords({ lastUsed, caller, clientAddress }: KeyUse, now: number): string {
  return `${agoWords(now - lastUsed)} by ${caller.replace(/^service:/, '')} from ${clientAddress}`;
}

/** Seconds in the largest unit that fits: '40 s ago', '3 h ago', '12 days ago'. */
export function agoWords(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s ago`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ago`;
  if (whole < 2 * 86_400) return `${Math.floor(whole / 3600)} h ago`;
  return `${Math.floor(whole / 86_400)} days ago`;
}
