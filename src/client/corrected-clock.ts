import type { Clock } from '../core/clock.ts';

/** Our clock, set right by what a verifier told of its own. */
export interface CorrectedClock {
  now(): number;
  /** What is added to our own, seconds: of calls that run at once, each can tell whether it was changed since. */
  readonly offset: number;
  /** Takes over the time of a Date field (RFC 9110 §6.6.1), unless it says nothing new, or nothing that can be believed. */
  correct(date: string | null): void;
}

/** A Date has whole seconds, so less than this is no news. */
const noticeableSeconds = 2;

/**
 * `secondsMax` bounds how far anybody on the way can move us: a signature for a time far ahead could be kept and used then.
 */
export function correctedClock(clock: Clock, secondsMax: number): CorrectedClock {
  let offset = 0;
  return {
    now: () => clock() + offset,
    get offset() {
      return offset;
    },
    correct(date) {
      const theirs = date === null ? Number.NaN : Date.parse(date) / 1000;
      const next = theirs - clock();
      // Cut off to whole seconds: theirs may be later by all but one. Not a number compares as false, and so corrects nothing.
      const isCredible = next <= secondsMax && next + 1 >= -secondsMax;
      if (isCredible && Math.abs(next - offset) >= noticeableSeconds) offset = next;
    },
  };
}
