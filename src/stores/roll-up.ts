import { isOperatorProbe } from '../core/probe.ts';
import {
  BUCKETS,
  measureSlot,
  OTHERS,
  type BucketSeconds,
  type MeasureKind,
  type RollupGroup,
  type RollupMeasure,
} from '../core/rollup.ts';
import type { DecisionRow } from '../core/store.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { callerOf } from './groups.ts';

/** A group of one bucket, to be added to what the store has under the same key. */
export interface GroupToAdd extends RollupGroup {
  /** Short, whatever callers put into their names: the key within the bucket. */
  readonly key: string;
}

export interface RolledUp {
  readonly groups: readonly GroupToAdd[];
  readonly measures: readonly RollupMeasure[];
}

export interface RollUpLimits {
  /** Groups of proven callers told apart within a bucket, and how many of them one caller may have. */
  readonly proven: number;
  readonly ofOneCaller: number;
  /** Groups of nobody proven, and how many of them one address may have. */
  readonly strangers: number;
  readonly ofOneAddress: number;
}

const usualLimits: RollUpLimits = { proven: 2000, ofOneCaller: 200, strangers: 400, ofOneAddress: 50 };

/** Buckets of each size whose groups are remembered: rows come late, but seldom by many. */
const bucketsKnown = 8;

type Who = Pick<RollupGroup, 'service' | 'route' | 'mode' | 'outcome' | 'reason' | 'caller' | 'clientAddress'>;

/** Values of one kind in one slot. */
interface Slot {
  count: number;
  least: number;
  most: number;
}

/** Rows of one minute that differ in nothing that is counted: one look-up and two sums for each row. */
interface Alike {
  readonly row: DecisionRow;
  readonly caller: string;
  readonly start: number;
  count: number;
  firstSeen: number;
  lastSeen: number;
  requestId: string;
  readonly durations: Map<number, Slot>;
  readonly skews: Map<number, Slot>;
}

/** The groups that a bucket has, as far as they came from here. */
interface KnownBucket {
  readonly groups: Map<string, Who & { readonly key: string }>;
  readonly shares: Map<string, number>;
  proven: number;
  strangers: number;
}

/**
 * Counts rows before they go to the store: what is added then is a handful of sums, however many rows there are. Which groups
 * a bucket has is remembered here, so the bounds hold for each process that writes, and no store has to ask before it adds.
 */
export function rollUp(
  limits: RollUpLimits = usualLimits,
): (rows: readonly DecisionRow[], besides?: readonly RollupMeasure[]) => RolledUp {
  const known = new Map(BUCKETS.map((size) => [size, new Map<number, KnownBucket>()]));

  function bucketOf(bucketSeconds: BucketSeconds, start: number): KnownBucket {
    const buckets = known.get(bucketSeconds) ?? new Map<number, KnownBucket>();
    let bucket = buckets.get(start);
    if (bucket) return bucket;
    const [oldest] = buckets.size >= bucketsKnown ? buckets.keys() : [];
    if (oldest !== undefined) buckets.delete(oldest);
    buckets.set(start, (bucket = { groups: new Map(), shares: new Map(), proven: 0, strangers: 0 }));
    return bucket;
  }

  /** The group, when it is one of the bucket's or may become one. */
  function admitted(bucket: KnownBucket, who: Who, proven: boolean, holder: string) {
    const id = `${who.service}\n${who.route}\n${who.mode}\n${who.outcome}\n${who.reason}\n${who.caller}\n${who.clientAddress}`;
    const group = bucket.groups.get(id);
    if (group) return group;
    const share = bucket.shares.get(holder) ?? 0;
    const full = proven ? bucket.proven >= limits.proven : bucket.strangers >= limits.strangers;
    if (full || share >= (proven ? limits.ofOneCaller : limits.ofOneAddress)) return null;
    const made = keyed(who);
    bucket.groups.set(id, made);
    bucket.shares.set(holder, share + 1);
    if (proven) bucket.proven += 1;
    else bucket.strangers += 1;
    return made;
  }

  /**
   * A proven caller that comes from too many places keeps its name; a place that uses too many names keeps its address: one
   * that floods never hides the others.
   */
  function toldApart(bucket: KnownBucket, { row, caller }: Alike) {
    const { mode, outcome, reason, clientAddress } = row;
    const madeUp = reason === 'no_such_service';
    const service = madeUp ? '' : row.service;
    const route = madeUp ? '' : row.route;
    const who: Who = { service, route, mode, outcome, reason, caller, clientAddress };
    const proven = row.principal !== '';
    const holder = proven ? `caller ${caller}` : `address ${clientAddress}`;
    const rest: Who = proven ? { ...who, clientAddress: OTHERS } : { ...who, caller: OTHERS };
    return (
      admitted(bucket, who, proven, holder) ??
      // Counted apart from the share that is used up.
      admitted(bucket, rest, proven, `rest of ${holder}`) ??
      keyed({ ...who, caller: OTHERS, clientAddress: OTHERS })
    );
  }

  return (rows, besides = []) => {
    const groups = new Map<string, GroupToAdd>();
    const measures = new Map<string, RollupMeasure>();

    function add(alike: Alike, bucketSeconds: BucketSeconds): void {
      const { count, firstSeen, lastSeen, requestId } = alike;
      const start = Math.floor(alike.start / bucketSeconds) * bucketSeconds;
      const bucketId = `${bucketSeconds} ${start}`;
      const group = toldApart(bucketOf(bucketSeconds, start), alike);
      const added: GroupToAdd = { ...group, start, bucketSeconds, count, firstSeen, lastSeen, requestId };
      const held = groups.get(`${bucketId} ${group.key}`);
      groups.set(`${bucketId} ${group.key}`, held ? { ...added, ...groupTogether(held, added) } : added);
      const measured = (kind: MeasureKind, name: string, slots: Map<number, Slot>): void => {
        for (const [slot, values] of slots) {
          const place = `${bucketId} ${kind} ${slot} ${name}`;
          const measure = { start, bucketSeconds, kind, name, slot, ...values };
          const before = measures.get(place);
          measures.set(place, before ? measureTogether(before, measure) : measure);
        }
      };
      measured('duration', group.service, alike.durations);
      if (isProof(alike.row)) measured('proving', group.service, alike.durations);
      // Who is not proven may send any time under any name.
      if (alike.row.principal !== '') measured('skew', group.caller, alike.skews);
    }

    for (const alike of alikes(rows)) for (const bucketSeconds of BUCKETS) add(alike, bucketSeconds);
    return { groups: [...groups.values()], measures: [...measures.values(), ...besides] };
  };
}

/** Through broken glass nobody is proven by a key, and who shows the token while others guess it waits with them. */
function isProof({ outcome, principal }: DecisionRow): boolean {
  return outcome === 'allow' && principal !== '' && principal !== 'operator:break-glass';
}

function keyed(who: Who) {
  const { service, route, mode, outcome, reason, caller, clientAddress } = who;
  const text = JSON.stringify([service, route, mode, outcome, reason, caller, clientAddress]);
  return { ...who, key: sha256Hex(text).slice(0, 32) };
}

function alikes(rows: readonly DecisionRow[]): Iterable<Alike> {
  const found = new Map<string, Alike>();
  for (const row of rows) {
    // Kept, but nothing that a caller did.
    if (isOperatorProbe(row.requestId)) continue;
    const { time, service, route, mode, outcome, reason, principal, claimed, clientAddress, requestId } = row;
    const start = Math.floor(time / 60) * 60;
    const key = `${start}\n${service}\n${route}\n${mode}\n${outcome}\n${reason}\n${principal}\n${claimed}\n${clientAddress}`;
    let alike = found.get(key);
    if (!alike) {
      const seen = { count: 0, firstSeen: time, lastSeen: time, requestId };
      alike = { row, caller: callerOf(row), start, ...seen, durations: new Map(), skews: new Map() };
      found.set(key, alike);
    }
    alike.count += 1;
    if (time < alike.firstSeen) alike.firstSeen = time;
    if (time >= alike.lastSeen) {
      alike.lastSeen = time;
      alike.requestId = requestId;
    }
    // Nothing was decided where it took no time.
    if (row.durationMicros > 0) note(alike.durations, measureSlot('duration', row.durationMicros), row.durationMicros);
    if (row.skewSeconds !== null) note(alike.skews, measureSlot('skew', row.skewSeconds), row.skewSeconds);
  }
  return found.values();
}

function note(slots: Map<number, Slot>, slot: number, value: number): void {
  const held = slots.get(slot);
  if (!held) {
    slots.set(slot, { count: 1, least: value, most: value });
    return;
  }
  held.count += 1;
  if (value < held.least) held.least = value;
  if (value > held.most) held.most = value;
}

/** Two counts of the same group. */
export function groupTogether(before: RollupGroup, added: RollupGroup): RollupGroup {
  return {
    ...(added.lastSeen >= before.lastSeen ? added : before),
    count: before.count + added.count,
    firstSeen: Math.min(before.firstSeen, added.firstSeen),
  };
}

/** Two counts of the same slot. */
export function measureTogether(before: RollupMeasure, added: RollupMeasure): RollupMeasure {
  return {
    ...before,
    count: before.count + added.count,
    least: Math.min(before.least, added.least),
    most: Math.max(before.most, added.most),
  };
}
