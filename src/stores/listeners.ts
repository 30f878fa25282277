import type { Change } from '../core/store.ts';
import { messageOf } from '../core/message-of.ts';

/** Who watches a store. */
export interface Listeners {
  readonly size: number;
  add(listener: (change: Change) => void): () => void;
  tell(change: Change): void;
  clear(): void;
}

export const resync: Change = { topic: 'resync', id: '' };

export function lostSince(since: number): Change {
  return { topic: 'lost', id: '', since };
}

export function listeners(): Listeners {
  const all = new Set<{ readonly hear: (change: Change) => void }>();
  return {
    get size() {
      return all.size;
    },
    add(hear) {
      // An entry of its own, so that one function added twice is heard twice and stopped separately.
      const entry = { hear };
      all.add(entry);
      return () => void all.delete(entry);
    },
    tell(change) {
      for (const { hear } of all) {
        try {
          hear(change);
        } catch (error) {
          // The change is stored already: what a listener makes of it must not turn into a failed write.
          process.emitWarning(`a listener of the store failed: ${messageOf(error)}`);
        }
      }
    },
    clear: () => all.clear(),
  };
}
