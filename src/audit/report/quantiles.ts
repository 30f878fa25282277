import type { RollupMeasure } from '../../core/rollup.ts';

/** Values that were counted by slot, and what they come to. Between the ends of a slot they are taken to lie evenly. */
export interface Quantiles {
  readonly samples: number;
  /** `part` from 0 to 1; of the values, or of their sizes. NaN where there are none. */
  at(part: number): number;
  sizeAt(part: number): number;
  /** The value farthest from zero, exactly. */
  readonly extreme: number;
}

interface Run {
  readonly count: number;
  readonly least: number;
  readonly most: number;
}

export function quantilesOf(measures: readonly RollupMeasure[]): Quantiles {
  const values = runsOf(measures);
  const sizes = runsOf(
    measures.map(({ count, least, most }) => {
      const [a, b] = [Math.abs(least), Math.abs(most)];
      // A slot holds values of both signs only around zero.
      return { count, least: least < 0 && most > 0 ? 0 : Math.min(a, b), most: Math.max(a, b) };
    }),
  );
  const ends = measures.flatMap(({ least, most }) => [least, most]);
  return {
    samples: values.reduce((sum, { count }) => sum + count, 0),
    at: (part) => quantile(values, part),
    sizeAt: (part) => quantile(sizes, part),
    extreme: ends.reduce((far, end) => (Math.abs(end) > Math.abs(far) ? end : far), 0),
  };
}

function runsOf(runs: readonly Run[]): Run[] {
  return runs.map(({ count, least, most }) => ({ count, least, most })).sort((a, b) => a.least - b.least);
}

function quantile(runs: readonly Run[], part: number): number {
  const total = runs.reduce((sum, { count }) => sum + count, 0);
  // The nearest rank: the smallest value that so large a part of all does not exceed.
  const wanted = Math.max(0, Math.ceil(part * total) - 1);
  let before = 0;
  for (const { count, least, most } of runs) {
    if (wanted < before + count) {
      const within = count === 1 ? 0 : (wanted - before) / (count - 1);
      return least + (most - least) * within;
    }
    before += count;
  }
  return runs.at(-1)?.most ?? Number.NaN;
}
