import { rfc3339 } from '../../core/clock.ts';
import type { KeyEnd } from '../../core/credential.ts';
import { bucketKeptSeconds, failedLater, type RollupGroup, type RollupMeasure } from '../../core/rollup.ts';
import type { Store } from '../../core/store.ts';
import { clockSkews, type ClockSkew } from './clock-skews.ts';
import { endingKeys, type EndingKey } from './ending-keys.ts';
import { mergeGroups } from './merge-groups.ts';
import { quantilesOf } from './quantiles.ts';
import { recordedAhead, type RecordedAhead } from './recorded-ahead.ts';
import { readiness, type Readiness } from './readiness.ts';
import { refusalGroups, type RefusalGroup } from './refusal-groups.ts';
import { successRate, sumOf, totalsBy, type Totals } from './totals.ts';

export type { RefusalGroup } from './refusal-groups.ts';
export type { Totals } from './totals.ts';

/** What the decisions of a period come to. The keys are those of the JSON that `countersign report` prints. */
export interface Report extends Totals {
  /** RFC 3339. What was asked for, begun a little earlier: decisions are counted by the minute, and after a day by the hour. */
  readonly since: string;
  readonly until: string;
  /** Only calls of this service; null for all. */
  readonly service: string | null;
  readonly verdict: Readiness;
  /** Allowed requests that then did not reach their upstream, or got no answer in time. */
  readonly upstream_failures: number;
  /** Allowed only because the mode was off: nothing is known about them. */
  readonly not_judged: number;
  /** Refused or would-be refused requests by reason code. */
  readonly by_reason: Readonly<Record<string, number>>;
  /** The same, apart. */
  readonly by_outcome: {
    readonly deny: Readonly<Record<string, number>>;
    readonly would_deny: Readonly<Record<string, number>>;
  };
  /** '' collects requests for services that do not exist. */
  readonly by_service: Readonly<Record<string, RatedTotals>>;
  /** Most refusals first. A question mark behind a caller: it only claims to be that; '' is a caller without a name. */
  readonly callers: readonly ({ readonly caller: string } & RatedTotals)[];
  /** The busiest, at most twenty. */
  readonly top_endpoints: readonly ({ readonly service: string; readonly route: string } & RatedTotals)[];
  /** Where the most requests came from, at most twenty. */
  readonly top_sources: readonly ({ readonly client_address: string } & RatedTotals)[];
  /** What enforcing would refuse today, most frequent first; at most a thousand. */
  readonly would_deny_groups: readonly RefusalGroup[];
  readonly denied_groups: readonly RefusalGroup[];
  /** The clock that is off farthest comes first. */
  readonly clock_skew: readonly ClockSkew[];
  /** Keys that end within 30 days, or have ended and were not succeeded. */
  readonly key_expiry: readonly EndingKey[];
  /** How many counts another program made so that they cannot be read: they are in none of these sums. */
  readonly unreadable_counts: number;
  /** Requests under times that have not come yet, by a server whose clock is ahead: they are in none of these sums. Null for none. */
  readonly recorded_ahead: RecordedAhead | null;
  /** Time spent deciding. */
  readonly overhead: Overhead;
}

/** The part of the requests that passed and would pass when enforced, from 0 to 1. */
export interface RatedTotals extends Totals {
  readonly success_rate: number | null;
}

/** Microseconds. Null where nothing was decided. */
export interface Overhead {
  readonly samples: number;
  readonly p50_us: number | null;
  readonly p99_us: number | null;
  readonly max_us: number | null;
}

export interface Period {
  /** Epoch seconds. */
  readonly since: number;
  readonly until: number;
  /** Only calls of this service. */
  readonly service?: string;
  /** It ends now: what lies behind it was recorded by a clock that is ahead. */
  readonly untilNow?: boolean;
}

const listedMax = 20;
/** Of callers and refusals: whoever floods with names must not flood the reader too. The sums hold them all. */
const groupsMax = 1000;

/** What a report cannot read in the store. */
export interface AroundReport {
  /** Of keys that lie outside the store. */
  readonly endsElsewhere?: readonly KeyEnd[];
  /** All that the report is about is enforced by now. */
  readonly isEnforced?: boolean;
}

/** Rejects when the store cannot be reached. */
export async function report(
  store: Pick<Store, 'decisions' | 'keys'>,
  period: Period,
  { endsElsewhere = [], isEnforced = false }: AroundReport = {},
): Promise<Report> {
  const { since, until, service = null } = period;
  const rollups = await store.decisions.rollups(since, until);
  const ofService = (name: string): boolean => service === null || name === service;
  const groups = mergeGroups(rollups.groups).filter((group) => ofService(group.service));
  const decided = groups.filter((group) => !failedLater(group));
  const callers = new Set(decided.map(({ caller }) => caller));
  const evidence = {
    not_judged: sumOf(decided.filter((group) => group.mode === 'off')).requests,
    would_deny_groups: refusalGroups(decided.filter((group) => group.outcome === 'would_deny')),
    clock_skew: clockSkews(rollups.measures.filter(({ kind, name }) => kind === 'skew' && callers.has(name))),
    key_expiry: endingKeys(await store.keys.list(), endsElsewhere, until),
    unreadable_counts: rollups.unreadable,
    recorded_ahead: period.untilNow ? await recordedAhead(store, until) : null,
  };
  const totals = sumOf(decided);
  const verdict = readiness({ ...totals, ...evidence }, isEnforced);
  return {
    since: rfc3339(rollups.since),
    until: rfc3339(until),
    service,
    ...totals,
    verdict: { ...verdict, concerns: [...goneBefore(period), ...verdict.concerns] },
    upstream_failures: sumOf(groups.filter(failedLater)).requests,
    by_reason: reasonsOf(decided),
    by_outcome: {
      deny: reasonsOf(decided.filter(({ outcome }) => outcome === 'deny')),
      would_deny: reasonsOf(decided.filter(({ outcome }) => outcome === 'would_deny')),
    },
    by_service: recordOf([...totalsBy(decided, (group) => group.service)].map(([name, sum]) => [name, rated(sum)])),
    callers: [...totalsBy(decided, (group) => group.caller)]
      .map(([caller, sum]) => ({ caller, ...rated(sum) }))
      .sort((a, b) => b.denied + b.would_deny - (a.denied + a.would_deny) || b.requests - a.requests)
      .slice(0, groupsMax),
    top_endpoints: busiest(decided, ({ service: name, route }) => ({ service: name, route })),
    top_sources: busiest(decided, ({ clientAddress }) => ({ client_address: clientAddress })),
    ...evidence,
    would_deny_groups: evidence.would_deny_groups.slice(0, groupsMax),
    denied_groups: refusalGroups(decided.filter((group) => group.outcome === 'deny')).slice(0, groupsMax),
    overhead: overheadOf(rollups.measures.filter(({ kind, name }) => kind === 'duration' && ofService(name))),
  };
}

/** Said of a period that begins before what is kept: its first days would look like days without a request. */
function goneBefore({ since, until }: Period): string[] {
  const from = until - bucketKeptSeconds[3600];
  if (since >= from) return [];
  return [
    `counts are kept for ${bucketKeptSeconds[3600] / 86_400} days: what was before ${rfc3339(from)} is not in this`,
  ];
}

function rated(totals: Totals): RatedTotals {
  return { ...totals, success_rate: successRate(totals) };
}

function busiest<T extends object>(groups: readonly RollupGroup[], named: (group: RollupGroup) => T) {
  return [...totalsBy(groups, (group) => JSON.stringify(named(group)))]
    .map(([name, totals]) => ({ ...(JSON.parse(name) as T), ...rated(totals) }))
    .sort((a, b) => b.requests - a.requests)
    .slice(0, listedMax);
}

/** Without a prototype: a service may be called whatever the configuration allows. */
function recordOf<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const record: Record<string, T> = Object.create(null);
  for (const [key, value] of entries) record[key] = value;
  return record;
}

function reasonsOf(groups: readonly RollupGroup[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { reason, count } of groups) if (reason !== '') counts.set(reason, (counts.get(reason) ?? 0) + count);
  return recordOf([...counts].sort(([, a], [, b]) => b - a));
}

function overheadOf(measures: readonly RollupMeasure[]): Overhead {
  const { samples, at, extreme } = quantilesOf(measures);
  if (samples === 0) return { samples, p50_us: null, p99_us: null, max_us: null };
  return { samples, p50_us: tenths(at(0.5)), p99_us: tenths(at(0.99)), max_us: tenths(extreme) };
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
