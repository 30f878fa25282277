import type { RollupGroup } from '../../core/rollup.ts';

export interface Totals {
  requests: number;
  allowed: number;
  denied: number;
  would_deny: number;
  public: number;
}

function noTotals(): Totals {
  return { requests: 0, allowed: 0, denied: 0, would_deny: 0, public: 0 };
}

export function sumOf(groups: readonly RollupGroup[]): Totals {
  const totals = noTotals();
  for (const group of groups) addTo(totals, group);
  return totals;
}

/** In the order of the keys' first appearance. */
export function totalsBy(groups: readonly RollupGroup[], keyOf: (group: RollupGroup) => string): Map<string, Totals> {
  const byKey = new Map<string, Totals>();
  for (const group of groups) {
    const key = keyOf(group);
    let totals = byKey.get(key);
    if (!totals) byKey.set(key, (totals = noTotals()));
    addTo(totals, group);
  }
  return byKey;
}

/** The part that passed, and would pass when enforced; null where there were no requests. */
export function successRate({ requests, allowed, public: open }: Totals): number | null {
  return requests === 0 ? null : (allowed + open) / requests;
}

function addTo(totals: Totals, group: RollupGroup): void {
  totals.requests += group.count;
  switch (group.outcome) {
    case 'allow':
      totals.allowed += group.count;
      break;
    case 'deny':
      totals.denied += group.count;
      break;
    case 'would_deny':
      totals.would_deny += group.count;
      break;
    case 'public':
      totals.public += group.count;
      break;
  }
}
