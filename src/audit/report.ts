import { rfc3339 } from '../core/clock.ts';
import type { DecisionGroup, DecisionStore } from '../core/store.ts';

/** What the decisions of a period come to. The keys are those of the JSON that `countersign report` prints. */
export interface Report extends Totals {
  /** RFC 3339. */
  readonly since: string;
  readonly until: string;
  /** Allowed requests that then did not reach their upstream, or got no answer in time. */
  readonly upstream_failures: number;
  /** Allowed only because the mode was off: nothing is known about them. */
  readonly not_judged: number;
  /** Refused or would-be refused requests by reason code. */
  readonly by_reason: Readonly<Record<string, number>>;
  /** '' collects requests for services that do not exist. */
  readonly by_service: Readonly<Record<string, Totals>>;
  /** Most refusals first. A question mark behind a caller: it only claims to be that; '' is a caller without a name. */
  readonly callers: readonly ({ readonly caller: string } & Totals)[];
  /** The busiest, at most twenty. */
  readonly top_endpoints: readonly ({ readonly service: string; readonly route: string } & Totals)[];
  /** What enforcing would refuse today, most frequent first. */
  readonly would_deny_groups: readonly RefusalGroup[];
  readonly denied_groups: readonly RefusalGroup[];
}

export interface Totals {
  requests: number;
  allowed: number;
  denied: number;
  would_deny: number;
  public: number;
}

/** Refusals of one caller on one route for one reason: usually one thing to mend. */
export interface RefusalGroup {
  readonly caller: string;
  readonly service: string;
  readonly route: string;
  readonly reason: string;
  readonly count: number;
  /** RFC 3339. */
  readonly first_seen: string;
  readonly last_seen: string;
  /** At most ten. */
  readonly client_addresses: readonly string[];
  /** Of the last one. */
  readonly example_request_id: string;
}

export interface Period {
  /** Epoch seconds. */
  readonly since: number;
  readonly until: number;
}

const endpointsMax = 20;
const addressesMax = 10;

/** Rejects when the store cannot be reached. */
export async function report(decisions: DecisionStore, { since, until }: Period): Promise<Report> {
  const groups = await decisions.groups(since, until);
  // The guard allowed these, and said so in a decision of their own: they are no requests of their own.
  const upstream = groups.filter((group) => group.reason.startsWith('upstream_'));
  const decided = groups.filter((group) => !group.reason.startsWith('upstream_'));
  const byCaller = totalsBy(decided, (group) => group.caller);
  const byEndpoint = totalsBy(decided, (group) => `${serviceOf(group)}\n${group.route}`);
  return {
    since: rfc3339(since),
    until: rfc3339(until),
    ...sumOf(decided),
    upstream_failures: sumOf(upstream).requests,
    not_judged: sumOf(decided.filter((group) => group.mode === 'off')).requests,
    by_reason: reasonsOf(decided),
    by_service: recordOf(totalsBy(decided, serviceOf)),
    callers: [...byCaller]
      .map(([caller, totals]) => ({ caller, ...totals }))
      .sort((a, b) => b.denied + b.would_deny - (a.denied + a.would_deny) || b.requests - a.requests),
    top_endpoints: [...byEndpoint]
      .map(([endpoint, totals]) => ({ ...endpointOf(endpoint), ...totals }))
      .sort((a, b) => b.requests - a.requests)
      .slice(0, endpointsMax),
    would_deny_groups: refusalGroups(decided.filter((group) => group.outcome === 'would_deny')),
    denied_groups: refusalGroups(decided.filter((group) => group.outcome === 'deny')),
  };
}

/** Names of services that do not exist were made up by callers: they are one line, not thousands. */
function serviceOf(group: DecisionGroup): string {
  return group.reason === 'no_such_service' ? '' : group.service;
}

function endpointOf(endpoint: string): { service: string; route: string } {
  const [service = '', route = ''] = endpoint.split('\n');
  return { service, route };
}

function noTotals(): Totals {
  return { requests: 0, allowed: 0, denied: 0, would_deny: 0, public: 0 };
}

function sumOf(groups: readonly DecisionGroup[]): Totals {
  const totals = noTotals();
  for (const group of groups) addTo(totals, group);
  return totals;
}

function addTo(totals: Totals, group: DecisionGroup): void {
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

function totalsBy(groups: readonly DecisionGroup[], keyOf: (group: DecisionGroup) => string): Map<string, Totals> {
  const byKey = new Map<string, Totals>();
  for (const group of groups) {
    const key = keyOf(group);
    let totals = byKey.get(key);
    if (!totals) byKey.set(key, (totals = noTotals()));
    addTo(totals, group);
  }
  return byKey;
}

/** Without a prototype: a service may be called whatever the configuration allows. */
function recordOf<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const record: Record<string, T> = Object.create(null);
  for (const [key, value] of entries) record[key] = value;
  return record;
}

function reasonsOf(groups: readonly DecisionGroup[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { reason, count } of groups) if (reason !== '') counts.set(reason, (counts.get(reason) ?? 0) + count);
  return recordOf([...counts].sort(([, a], [, b]) => b - a));
}

interface Gathered {
  readonly first: DecisionGroup;
  last: DecisionGroup;
  count: number;
  firstSeen: number;
  readonly addresses: Set<string>;
}

function refusalGroups(groups: readonly DecisionGroup[]): RefusalGroup[] {
  const gathered = new Map<string, Gathered>();
  for (const group of groups) {
    const key = [group.caller, serviceOf(group), group.route, group.reason].join('\n');
    const same = gathered.get(key);
    if (!same) {
      const { count, firstSeen, clientAddress } = group;
      gathered.set(key, { first: group, last: group, count, firstSeen, addresses: new Set([clientAddress]) });
      continue;
    }
    same.count += group.count;
    same.firstSeen = Math.min(same.firstSeen, group.firstSeen);
    if (group.lastSeen > same.last.lastSeen) same.last = group;
    if (same.addresses.size < addressesMax) same.addresses.add(group.clientAddress);
  }
  return [...gathered.values()].sort((a, b) => b.count - a.count).map(refusalGroup);
}

function refusalGroup({ first, last, count, firstSeen, addresses }: Gathered): RefusalGroup {
  return {
    caller: first.caller,
    service: serviceOf(first),
    route: first.route,
    reason: first.reason,
    count,
    first_seen: rfc3339(firstSeen),
    last_seen: rfc3339(last.lastSeen),
    client_addresses: [...addresses],
    example_request_id: last.requestId,
  };
}
