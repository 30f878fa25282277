import type { LimitState } from '../core/store.ts';

/** One counter: how often it was used since its first use, and when it starts over. */
export interface Window {
  readonly count: number;
  readonly endsAt: number;
}

/** What a counter says before it is used. Null for one that was never used. */
export function windowState(window: Window | null, limit: number, now: number): LimitState {
  if (window === null || window.endsAt <= now) return { allowed: limit > 0, count: 0, retryAfter: 0 };
  return {
    allowed: window.count < limit,
    count: Math.min(window.count, Math.max(0, limit)),
    retryAfter: window.endsAt - now,
  };
}
