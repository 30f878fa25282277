import { audience, type Audience } from '../core/audience.ts';
import type { Change } from '../core/store.ts';

export const resync: Change = { topic: 'resync', id: '' };

export function lostSince(since: number): Change {
  return { topic: 'lost', id: '', since };
}

/** Who watches a store. */
export function listeners(): Audience<Change> {
  return audience();
}
