import {
  BUCKETS,
  bucketKeptSeconds,
  type BucketSeconds,
  type RollupGroup,
  type RollupMeasure,
  type Rollups,
} from '../core/rollup.ts';
import { isGroup, isMeasure, type Found } from './rollup-values.ts';

/** Buckets of one size that follow one another: those that start at `from` or later and before `until`. */
export interface BucketRange {
  readonly bucketSeconds: BucketSeconds;
  readonly from: number;
  readonly until: number;
}

/** Buckets that together cover a time without a gap, and nothing twice. */
export interface BucketCover {
  readonly asked: { readonly since: number; readonly until: number };
  readonly since: number;
  readonly until: number;
  readonly ranges: readonly BucketRange[];
}

const minute = 60;
const hour = 3600;

/**
 * Hours in the middle and minutes at the ends; hours alone where minutes are gone. `oldestMinute` is the start of the first
 * minute that is stored, null for none. Minutes are removed by whole hours, so the hour in which it lies still has all of them.
 */
export function bucketsFor(since: number, until: number, oldestMinute: number | null): BucketCover {
  const horizon = oldestMinute === null ? Infinity : floorTo(oldestMinute, hour);
  const first = floorTo(since, since < horizon ? hour : minute);
  const end = -floorTo(-until, until < horizon ? hour : minute);
  const hoursFrom = -floorTo(-first, hour);
  const hoursUntil = floorTo(end, hour);
  const ranges: BucketRange[] =
    hoursFrom < hoursUntil
      ? [
          { bucketSeconds: minute, from: first, until: hoursFrom },
          { bucketSeconds: hour, from: hoursFrom, until: hoursUntil },
          { bucketSeconds: minute, from: hoursUntil, until: end },
        ]
      : [{ bucketSeconds: minute, from: first, until: end }];
  return {
    asked: { since, until },
    since: first,
    until: end,
    ranges: ranges.filter((range) => range.from < range.until),
  };
}

/**
 * What was found in the buckets that cover a time, but for what is no group and no measure: whoever may write to the store may have
 * put anything there, and must hide no more by it than that. Where the hour at an end is empty it is told to the minute: a store has
 * nothing of the time before its first decision, and nothing is lost there.
 */
export function rollupsIn(
  { asked, since, until }: BucketCover,
  foundGroups: readonly Found<RollupGroup>[],
  foundMeasures: readonly Found<RollupMeasure>[],
): Rollups {
  const [groups, measures] = [foundGroups.filter(isGroup), foundMeasures.filter(isMeasure)];
  const found = (from: number, behind: number): boolean =>
    [groups, measures].some((list) => list.some(({ start }) => start >= from && start < behind));
  return {
    since: found(since, since + hour) ? since : floorTo(asked.since, minute),
    until: found(until - hour, until) ? until : -floorTo(-asked.until, minute),
    groups,
    measures,
    unreadable: foundGroups.length - groups.length + foundMeasures.length - measures.length,
  };
}

/** The start of the oldest bucket of each size that is still to be kept. */
export function bucketsKeptFrom(now: number): readonly { bucketSeconds: BucketSeconds; from: number }[] {
  return BUCKETS.map((bucketSeconds) => ({
    bucketSeconds,
    from: floorTo(now - bucketKeptSeconds[bucketSeconds], hour),
  }));
}

function floorTo(time: number, step: number): number {
  return Math.floor(time / step) * step;
}
