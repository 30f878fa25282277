import { BUCKETS, measureSlot, type RollupMeasure } from '../core/rollup.ts';

/** How long services took until they began to answer, counted here until it is kept with the next rows. */
export interface AnswerTimes {
  /** `time`: epoch seconds. */
  add(service: string, micros: number, time: number): void;
  /** What is to be kept next: the same again until `kept` is called. */
  next(): readonly RollupMeasure[];
  kept(): void;
}

interface Counted {
  count: number;
  least: number;
  most: number;
}

/** By service, then slot. */
type Minute = Map<string, Map<number, Counted>>;

/** While the store is away as many are counted; what comes later then is not. */
const minutesMax = 60;

export function answerTimes(): AnswerTimes {
  let counting = new Map<number, Minute>();
  let leaving: readonly RollupMeasure[] = [];

  function slotsOf(service: string, start: number): Map<number, Counted> | null {
    let minute = counting.get(start);
    if (!minute) {
      if (counting.size >= minutesMax) return null;
      counting.set(start, (minute = new Map()));
    }
    let slots = minute.get(service);
    if (!slots) minute.set(service, (slots = new Map()));
    return slots;
  }

  return {
    add(service, micros, time) {
      const slots = slotsOf(service, Math.floor(time / 60) * 60);
      if (slots === null) return;
      const slot = measureSlot('answer', micros);
      const counted = slots.get(slot);
      if (!counted) {
        slots.set(slot, { count: 1, least: micros, most: micros });
        return;
      }
      counted.count += 1;
      if (micros < counted.least) counted.least = micros;
      if (micros > counted.most) counted.most = micros;
    },
    next() {
      if (leaving.length === 0 && counting.size > 0) {
        leaving = measuresOf(counting);
        counting = new Map();
      }
      return leaving;
    },
    kept() {
      leaving = [];
    },
  };
}

function measuresOf(minutes: ReadonlyMap<number, Minute>): RollupMeasure[] {
  const measures: RollupMeasure[] = [];
  for (const [minute, services] of minutes)
    for (const [name, slots] of services)
      for (const [slot, counted] of slots)
        for (const bucketSeconds of BUCKETS) {
          const start = Math.floor(minute / bucketSeconds) * bucketSeconds;
          measures.push({ bucketSeconds, start, kind: 'answer', name, slot, ...counted });
        }
  return measures;
}
