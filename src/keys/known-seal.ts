import type { KeyKind, KeyRecord } from '../core/credential.ts';
import { hasCode, type Store } from '../core/store.ts';
import type { Seal } from '../crypto/seal.ts';
import { isAlive } from './lineage.ts';

/**
 * Before a secret is sealed: the master key that sealed those of the store must be at hand. A lost one would be made anew without
 * a word, and what is sealed under the new one is shut again when the old one is brought back. Rejects with the seal's own error
 * (code 'master_key'). Resolves to false where one does not open with the key at hand, which is no reason to refuse: whoever has lost
 * the other one goes on with this.
 */
export async function requireKnownSeal(store: Store, seal: Seal, kind: KeyKind, now: number): Promise<boolean> {
  if (kind !== 'hs') return true;
  for await (const page of store.keys.pages()) {
    const sealed = page.filter((record) => record.kind === 'hs' && isAlive(record, now));
    // Those of one page tell of all, and a rotation of many keys asks before each.
    if (sealed.length > 0) return sealed.every((record) => opens(seal, record));
  }
  return true;
}

function opens(seal: Seal, record: KeyRecord): boolean {
  try {
    seal.open(record.material ?? '', record);
    return true;
  } catch (error) {
    if (!hasCode(error, 'seal_broken')) throw error;
    return false;
  }
}
