import type { Outcome } from './decision.ts';
import type { Mode } from './mode.ts';

/** Decisions are counted by the minute, so that a period can be told exactly, and by the hour, so that a long one is cheap. */
export type BucketSeconds = 60 | 3600;

export const BUCKETS: readonly BucketSeconds[] = [60, 3600];

/** For how long counts are kept, seconds: a little over a day by the minute, 35 days by the hour: stores may hold them in memory. */
export const bucketKeptSeconds: Readonly<Record<BucketSeconds, number>> = { 60: 93_600, 3600: 3_024_000 };

/** Stands for callers, and for addresses, beyond the number that is told apart. No caller and no address is called so. */
export const OTHERS = 'others';

/** How often the same caller did the same from the same address, with the same result. */
export interface DecisionGroup {
  readonly service: string;
  readonly route: string;
  readonly mode: Mode;
  readonly outcome: Outcome;
  readonly reason: string;
  /** The principal, else the claimed caller with a question mark behind it, else ''. */
  readonly caller: string;
  readonly clientAddress: string;
  readonly count: number;
  readonly firstSeen: number;
  readonly lastSeen: number;
  /** Of the last one. */
  readonly requestId: string;
}

/**
 * How often the same happened within one bucket. The service is '' for those that do not exist, whose names were made up by
 * callers; caller and address may be OTHERS.
 */
export interface RollupGroup extends DecisionGroup {
  /** Epoch seconds; a multiple of `bucketSeconds`. */
  readonly start: number;
  readonly bucketSeconds: BucketSeconds;
}

/** Whether a caller, as groups name it, was proven: behind a name that is only claimed stands a question mark. */
export function isProvenCaller(caller: string): boolean {
  return caller.includes(':') && !caller.endsWith('?');
}

/**
 * Whether these are what became of requests that had been let pass: their service did not answer, or they could not be passed on.
 * The decisions on them were kept and counted by themselves, so these are no requests of their own. Where nobody can decide nobody
 * is proven: what is unavailable to a proven caller failed later.
 */
export function failedLater({ reason, caller }: Pick<DecisionGroup, 'reason' | 'caller'>): boolean {
  return reason.startsWith('upstream_') || (reason === 'unavailable' && isProvenCaller(caller));
}

/**
 * duration: of deciding, microseconds, by service. proving: the same of those alone whose callers were proven and allowed, for
 * anybody can make us look long for a key that nobody has, or wait among those who guess. answer: from the end of a proven
 * caller's request to the head of the upstream's answer, microseconds, by service. skew: the proven caller's clock minus ours,
 * seconds, by caller.
 */
export type MeasureKind = 'duration' | 'proving' | 'answer' | 'skew';

/** How many values of one kind fell into one slot within one bucket (see measureSlot). */
export interface RollupMeasure {
  readonly start: number;
  readonly bucketSeconds: BucketSeconds;
  readonly kind: MeasureKind;
  /** The service or the caller. */
  readonly name: string;
  readonly slot: number;
  readonly count: number;
  /** The smallest and the largest value in the slot, as they were. */
  readonly least: number;
  readonly most: number;
}

export interface Rollups {
  /** The time that the buckets cover: what was asked for, rounded outwards to whole ones. Epoch seconds. */
  readonly since: number;
  readonly until: number;
  readonly groups: readonly RollupGroup[];
  readonly measures: readonly RollupMeasure[];
  /** How many more there are that no server wrote so. They are left out, and may have been of any caller. */
  readonly unreadable: number;
}

/** For operators. */
export function unreadableWords(count: number): string {
  const [counts, are] = count === 1 ? ['count', 'is'] : ['counts', 'are'];
  return `${count} ${counts} in the store cannot be read and ${are} left out: another program changed or wrote them, so see who else may write to the store`;
}

/** Values nearer to zero than the unit are one slot. Of clocks more is to be told apart than of durations. */
const slotting: Readonly<Record<MeasureKind, { readonly unit: number; readonly perDoubling: number }>> = {
  duration: { unit: 1, perDoubling: 2 },
  proving: { unit: 1, perDoubling: 2 },
  answer: { unit: 100, perDoubling: 4 },
  skew: { unit: 0.5, perDoubling: 4 },
};
const slotMax = 160;

/** Slots widen with the value, so that few of them tell of any; below zero they mirror those above. */
export function measureSlot(kind: MeasureKind, value: number): number {
  const { unit, perDoubling } = slotting[kind];
  const size = Math.abs(value) / unit;
  if (!(size > 1)) return 0;
  const slot = Math.min(slotMax, 1 + Math.floor(Math.log2(size) * perDoubling));
  return value < 0 ? -slot : slot;
}
