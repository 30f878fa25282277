import { rfc3339 } from '../../core/clock.ts';
import { OTHERS, type RollupGroup } from '../../core/rollup.ts';

/** Refusals of one caller on one route for one reason: usually one thing to mend. */
export interface RefusalGroup {
  /** A question mark behind it: it only claims to be that. '' is a caller without a name; 'others' are many. */
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
  /** How many different addresses there were; at least, where some were counted together. */
  readonly address_count: number;
  /** Of the last one. */
  readonly example_request_id: string;
}

interface Gathered {
  last: RollupGroup;
  count: number;
  firstSeen: number;
  readonly addresses: Set<string>;
}

const addressesMax = 10;

/** The most frequent first. */
export function refusalGroups(groups: readonly RollupGroup[]): RefusalGroup[] {
  const gathered = new Map<string, Gathered>();
  for (const group of groups) {
    const key = JSON.stringify([group.caller, group.service, group.route, group.reason]);
    let same = gathered.get(key);
    if (!same) gathered.set(key, (same = { last: group, count: 0, firstSeen: Infinity, addresses: new Set() }));
    same.count += group.count;
    same.firstSeen = Math.min(same.firstSeen, group.firstSeen);
    if (group.lastSeen > same.last.lastSeen) same.last = group;
    same.addresses.add(group.clientAddress);
  }
  return [...gathered.values()].sort((a, b) => b.count - a.count).map(refusalGroup);
}

function refusalGroup({ last, count, firstSeen, addresses }: Gathered): RefusalGroup {
  const known = [...addresses].filter((address) => address !== OTHERS);
  return {
    caller: last.caller,
    service: last.service,
    route: last.route,
    reason: last.reason,
    count,
    first_seen: rfc3339(firstSeen),
    last_seen: rfc3339(last.lastSeen),
    client_addresses: known.slice(0, addressesMax),
    address_count: addresses.size,
    example_request_id: last.requestId,
  };
}
