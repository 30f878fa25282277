import { StoreError, type LimitStore } from '../../core/store.ts';
import { windowState, type Window } from '../window.ts';
import type { Memory } from './memory.ts';

export function memoryLimits({ step }: Memory, entriesMax: number): LimitStore {
  const windows = endingEntries();
  const spent = endingEntries();

  return {
    take: (key, limit, windowSeconds, now) =>
      step(() => {
        if (limit < 1) return { allowed: false, count: 0, retryAfter: windowSeconds };
        const window = windows.entries.get(key);
        if (window && window.endsAt > now) {
          const state = windowState(window, limit, now);
          if (!state.allowed) return state;
          windows.entries.set(key, { count: window.count + 1, endsAt: window.endsAt });
          return { ...state, count: window.count + 1 };
        }
        // Taken out first, so that the entries stand in the order in which their windows began.
        windows.entries.delete(key);
        windows.makeRoom(now);
        // Losing the oldest window costs a flooder far more than the few uses that it gives back.
        if (windows.entries.size >= entriesMax) windows.entries.delete(windows.entries.keys().next().value ?? '');
        windows.entries.set(key, { count: 1, endsAt: now + windowSeconds });
        return { allowed: true, count: 1, retryAfter: windowSeconds };
      }),
    peek: (key, limit, now) => step(() => windowState(windows.entries.get(key) ?? null, limit, now)),
    once: (key, expiresAt, now) =>
      step(() => {
        const use = spent.entries.get(key);
        if (use && use.endsAt > now) return false;
        spent.entries.delete(key);
        spent.makeRoom(now, entriesMax);
        // A value forgotten early could be used twice; so it is refused, never evicted.
        if (spent.entries.size >= entriesMax) {
          throw new StoreError(
            'store_unavailable',
            `the memory store holds ${entriesMax} one-time values and takes no more until some expire; use sqlite: for more`,
          );
        }
        spent.entries.set(key, { count: 1, endsAt: expiresAt });
        return true;
      }),
  };
}

interface EndingEntries {
  readonly entries: Map<string, Window>;
  /** Throws out what has ended, if it is time to look. `sizeMax`: where looking is worth it at every turn. */
  makeRoom(now: number, sizeMax?: number): void;
}

const sweepSizeMin = 1024;

/** All are looked through when their number has doubled: so memory follows what is alive, at a constant cost per entry. */
function endingEntries(): EndingEntries {
  const entries = new Map<string, Window>();
  let sweepSize = sweepSizeMin;
  let firstEnd = -Infinity;
  return {
    entries,
    makeRoom(now, sizeMax = Infinity) {
      const full = entries.size >= sizeMax && now >= firstEnd;
      if (entries.size < sweepSize && !full) return;
      firstEnd = Infinity;
      for (const [key, { endsAt }] of entries) {
        if (endsAt <= now) entries.delete(key);
        else firstEnd = Math.min(firstEnd, endsAt);
      }
      sweepSize = Math.max(sweepSizeMin, entries.size * 2);
    },
  };
}
