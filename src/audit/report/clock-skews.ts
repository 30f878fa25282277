import type { RollupMeasure } from '../../core/rollup.ts';
import { quantilesOf } from './quantiles.ts';

/** Seconds; positive when the caller's clock is ahead of ours. */
export interface ClockSkew {
  readonly caller: string;
  readonly samples: number;
  readonly p50_s: number;
  /** How far off at most in 99 of 100 requests, either way. */
  readonly p99_s: number;
  /** The farthest of all, with its sign. */
  readonly max_s: number;
}

/** The clock that is off farthest comes first. */
export function clockSkews(measures: readonly RollupMeasure[]): ClockSkew[] {
  return [...Map.groupBy(measures, ({ name }) => name)]
    .map(([caller, own]) => {
      const { samples, at, sizeAt, extreme } = quantilesOf(own);
      return { caller, samples, p50_s: millis(at(0.5)), p99_s: millis(sizeAt(0.99)), max_s: millis(extreme) };
    })
    .sort((a, b) => Math.abs(b.max_s) - Math.abs(a.max_s));
}

function millis(value: number): number {
  return Math.round(value * 1000) / 1000;
}
