import type { Change } from '../../core/store.ts';

/** What the parts of the memory store share: telling of a change, and refusing to work once closed. */
export interface Memory {
  tell(change: Change): void;
  /** Does the work at once and in one step; what it throws becomes a rejection. */
  step<T>(work: () => T): Promise<T>;
}
