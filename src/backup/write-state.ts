import type { Store } from '../core/store.ts';
import type { Seal } from '../crypto/seal.ts';
import type { Sealing } from './read-state.ts';
import { hasSealedText, sealedRecord } from './sealed-records.ts';
import type { HeldKey, State } from './state.ts';

/**
 * Adds what is missing. What ends a key comes first: broken off at any point, nothing is alive that was dead. Every verb only
 * adds, so the rest can be added by another call.
 */
export async function writeState(
  store: Store,
  { seal, sealedRecords }: Sealing,
  missing: State,
  now: number,
): Promise<void> {
  for (const digest of missing.revocations) await store.keys.revokeDigest(digest, now);
  for (const key of missing.keys) await store.keys.insert(sealed(key, seal));
  for (const token of missing.tokens) await store.tokens.insert(token);
  // What `--all` set would remove the others.
  for (const row of missing.modes.filter(({ scope }) => scope === '*')) await store.modes.setAll(row);
  for (const row of missing.modes.filter(({ scope }) => scope !== '*')) await store.modes.set(row);
  for (const record of missing.records) await store.records.put(sealedRecord(record, sealedRecords, seal), null, now);
  if (missing.uses.length > 0) await store.usage.add(missing.uses);
}

/** Throws where something is to be sealed and there is no key to do it with: said before the first write, and in a dry run. */
export function requireSeal({ seal, sealedRecords }: Sealing, missing: State): void {
  const sealsKeys = missing.keys.some(({ secret }) => secret !== null);
  if (sealsKeys || missing.records.some((record) => hasSealedText(record, sealedRecords))) seal();
}

function sealed({ secret, ...record }: HeldKey, seal: () => Seal) {
  return secret === null ? record : { ...record, material: seal().seal(secret, record) };
}
