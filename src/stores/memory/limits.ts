import { StoreError, type LimitStore } from '../../core/store.ts';
import { windowState, type Window } from '../window.ts';
import type { Memory } from './store.ts';

/** How many calls lie between two sweeps: each call adds one entry at most, so memory follows what is alive. */
const sweepEvery = 1024;

export function memoryLimits({ step }: Memory, entriesMax: number): LimitStore {
  // In order of the windows' starts: a window that starts anew moves to the end.
  const windows = new Map<string, Window>();
  const spent = new Map<string, number>();
  let calls = 0;

  function sweep(now: number): void {
    for (const [key, window] of windows) if (window.endsAt <= now) windows.delete(key);
    for (const [key, expiresAt] of spent) if (expiresAt <= now) spent.delete(key);
  }

  function sweepSometimes(now: number): void {
    calls += 1;
    if (calls % sweepEvery === 0) sweep(now);
  }

  return {
    take: (key, limit, windowSeconds, now) =>
      step(() => {
        sweepSometimes(now);
        if (limit < 1) return { allowed: false, count: 0, retryAfter: windowSeconds };
        const window = windows.get(key);
        if (window && window.endsAt > now) {
          const state = windowState(window, limit, now);
          if (!state.allowed) return state;
          windows.set(key, { count: window.count + 1, endsAt: window.endsAt });
          return { ...state, count: window.count + 1 };
        }
        windows.delete(key);
        // Losing the oldest window costs a flooder far more than the few uses that it gives back.
        if (windows.size >= entriesMax) windows.delete(windows.keys().next().value ?? '');
        windows.set(key, { count: 1, endsAt: now + windowSeconds });
        return { allowed: true, count: 1, retryAfter: windowSeconds };
      }),
    peek: (key, limit, now) => step(() => windowState(windows.get(key) ?? null, limit, now)),
    once: (key, expiresAt, now) =>
      step(() => {
        sweepSometimes(now);
        const until = spent.get(key);
        if (until !== undefined && until > now) return false;
        if (spent.size >= entriesMax) sweep(now);
        // A value forgotten early could be used twice; so it is refused, never evicted.
        if (spent.size >= entriesMax) {
          throw new StoreError(
            'store_unavailable',
            `the memory store holds ${entriesMax} one-time values and takes no more until some expire; use sqlite: for more`,
          );
        }
        spent.set(key, expiresAt);
        return true;
      }),
  };
}
