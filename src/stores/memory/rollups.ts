import { BUCKETS, type BucketSeconds, type RollupGroup, type RollupMeasure, type Rollups } from '../../core/rollup.ts';
import { bucketsFor, bucketsKeptFrom, rollupsIn } from '../buckets.ts';
import { groupTogether, measureTogether, type RolledUp } from '../roll-up.ts';

export interface MemoryRollups {
  add(rolled: RolledUp): void;
  between(since: number, until: number): Rollups;
  prune(now: number): void;
}

interface Bucket {
  readonly groups: Map<string, RollupGroup>;
  readonly measures: Map<string, RollupMeasure>;
}

/** By size, then by start. */
export function memoryRollups(): MemoryRollups {
  const sizes = new Map<BucketSeconds, Map<number, Bucket>>(BUCKETS.map((size) => [size, new Map()]));

  function bucketOf(size: BucketSeconds, start: number): Bucket {
    const buckets = sizes.get(size) ?? new Map<number, Bucket>();
    let bucket = buckets.get(start);
    if (!bucket) buckets.set(start, (bucket = { groups: new Map(), measures: new Map() }));
    return bucket;
  }

  return {
    add({ groups, measures }) {
      for (const { key, ...group } of groups) {
        const { groups: held } = bucketOf(group.bucketSeconds, group.start);
        const before = held.get(key);
        held.set(key, before ? groupTogether(before, group) : group);
      }
      for (const measure of measures) {
        const { measures: held } = bucketOf(measure.bucketSeconds, measure.start);
        const key = `${measure.kind} ${measure.slot} ${measure.name}`;
        const before = held.get(key);
        held.set(key, before ? measureTogether(before, measure) : measure);
      }
    },
    between(asked, end) {
      const starts = [...(sizes.get(60)?.keys() ?? [])];
      const oldest = starts.length === 0 ? null : starts.reduce((a, b) => Math.min(a, b));
      const cover = bucketsFor(asked, end, oldest);
      const buckets = cover.ranges.flatMap((range) =>
        [...(sizes.get(range.bucketSeconds) ?? [])]
          .filter(([start]) => start >= range.from && start < range.until)
          .sort(([a], [b]) => a - b)
          .map(([, bucket]) => bucket),
      );
      const groups = buckets.flatMap((bucket) => [...bucket.groups.values()]);
      const measures = buckets.flatMap((bucket) => [...bucket.measures.values()]);
      return rollupsIn(cover, groups, measures);
    },
    prune(now) {
      for (const { bucketSeconds, from } of bucketsKeptFrom(now)) {
        const buckets = sizes.get(bucketSeconds);
        for (const start of buckets?.keys() ?? []) if (start < from) buckets?.delete(start);
      }
    },
  };
}
