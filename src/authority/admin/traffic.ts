import { rfc3339 } from '../../core/clock.ts';
import type { Outcome } from '../../core/decision.ts';
import { failedLater } from '../../core/rollup.ts';
import type { Exchange } from '../exchange.ts';
import { sinceOf } from './overview.ts';
import { isRefused, type Refused } from '../refused.ts';

export type Counts = Record<Outcome, number>;

export function noCounts(): Counts {
  return { allow: 0, deny: 0, would_deny: 0, public: 0 };
}

interface Edge {
  readonly caller: string;
  readonly service: string;
  readonly counts: Counts;
  lastSeen: number;
}

const edgesMax = 1000;

/** GET /admin/api/traffic: what was decided by the minute, and who called whom, from the counts that are kept anyway. */
export async function traffic({ stack, query }: Exchange): Promise<object | Refused> {
  const span = sinceOf(stack, query.get('since') ?? undefined);
  if (isRefused(span)) return span;
  await stack.audit.flush();
  const { since, until, groups } = await stack.store.decisions.rollups(span.since, span.until);
  const width = Math.max(60, ...groups.map(({ bucketSeconds }) => bucketSeconds));
  const buckets = new Map<number, Counts>();
  const edges = new Map<string, Edge>();
  for (const group of groups) {
    if (failedLater(group)) continue;
    const { start, outcome, count, caller, service, lastSeen } = group;
    const at = Math.floor(start / width) * width;
    const bucket = buckets.get(at) ?? noCounts();
    bucket[outcome] += count;
    buckets.set(at, bucket);
    const key = JSON.stringify([caller, service]);
    const edge = edges.get(key) ?? { caller, service, counts: noCounts(), lastSeen };
    edge.counts[outcome] += count;
    edge.lastSeen = Math.max(edge.lastSeen, lastSeen);
    edges.set(key, edge);
  }
  return {
    since: rfc3339(since),
    until: rfc3339(until),
    bucket_seconds: width,
    buckets: [...buckets].sort(([a], [b]) => a - b).map(([at, counts]) => ({ at: rfc3339(at), ...counts })),
    edges: [...edges.values()]
      .sort((a, b) => total(b.counts) - total(a.counts))
      .slice(0, edgesMax)
      .map((edge) => ({
        caller: edge.caller,
        service: edge.service,
        ...edge.counts,
        last_seen: rfc3339(edge.lastSeen),
      })),
  };
}

function total(counts: Counts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
