import { clockSkewSecondsMax } from '../../core/clock.ts';
import { failedLater } from '../../core/rollup.ts';
import type { Store } from '../../core/store.ts';
import { counted } from './words.ts';
import { sumOf } from './totals.ts';

export interface RecordedAhead {
  readonly requests: number;
  /** How far the last of them is ahead, whole seconds. */
  readonly max_s: number;
}

/** Clocks that are off by more than a year have their owners' attention. */
const lookedAheadSeconds = 366 * 86_400;

/** What is kept under times that have not come yet, further ahead than clocks may differ. Rejects when the store cannot be reached. */
export async function recordedAhead(store: Pick<Store, 'decisions'>, now: number): Promise<RecordedAhead | null> {
  const from = now + clockSkewSecondsMax;
  const rollups = await store.decisions.rollups(from, now + lookedAheadSeconds);
  const groups = rollups.groups.filter((group) => group.lastSeen > from && !failedLater(group));
  if (groups.length === 0) return null;
  const last = groups.reduce((late, { lastSeen }) => Math.max(late, lastSeen), 0);
  return { requests: sumOf(groups).requests, max_s: Math.round(last - now) };
}

export function aheadWords({ requests, max_s }: RecordedAhead): string {
  return `a server whose clock is wrong recorded ${counted(requests, 'request')} up to ${max_s} s ahead of now, which are in none of this: set the clocks by NTP; countersign status says on which machine`;
}
