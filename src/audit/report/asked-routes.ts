import { rfc3339 } from '../../core/clock.ts';
import { failedLater } from '../../core/rollup.ts';
import type { Store } from '../../core/store.ts';
import { mergeGroups } from './merge-groups.ts';
import { refusalGroups, type RefusalGroup } from './refusal-groups.ts';

/** All of it, for whoever decides by it: a report lists only the first of many. */
export interface AskedRoutes {
  /** RFC 3339. */
  readonly since: string;
  readonly until: string;
  readonly asked: readonly { readonly service: string; readonly route: string }[];
  /** What would be refused once it is enforced, the most frequent first. */
  readonly refusals: readonly RefusalGroup[];
  /** How many counts of that time cannot be read, and are in none of this. */
  readonly unreadable: number;
}

/** Epoch seconds. Rejects when the store cannot be reached. */
export async function askedRoutes(
  store: Pick<Store, 'decisions'>,
  { since, until }: { readonly since: number; readonly until: number },
): Promise<AskedRoutes> {
  const rollups = await store.decisions.rollups(since, until);
  const decided = mergeGroups(rollups.groups).filter((group) => !failedLater(group));
  return {
    since: rfc3339(rollups.since),
    until: rfc3339(until),
    asked: decided.map(({ service, route }) => ({ service, route })),
    refusals: refusalGroups(decided.filter(({ outcome }) => outcome === 'would_deny')),
    unreadable: rollups.unreadable,
  };
}
