/** One line of `npm run bench`. */
export interface BenchResult {
  readonly case: string;
  /** What `ours` and `peer` are counted in: 'us/op' (less is better), 'req/s' (more is better), … */
  readonly unit: string;
  readonly ours: number;
  readonly peer: number;
  readonly peer_name: string;
  /** ours / peer; of rounds the median of what it was in each. */
  readonly ratio: number;
  /** How many interleaved repetitions the medians are taken over. */
  readonly runs: number;
}

/** What a file in bench/cases/ is given. */
export interface Bench {
  /** False when a filter was given and this case is not meant: expensive set-up can be left out. */
  wants(name: string): boolean;
  /** Times two functions against each other, in microseconds a call, and reports the result. */
  compare(name: string, pair: Pair): Promise<void>;
  /** For what was measured in another way: requests a second, added latency, bytes. */
  report(result: Omit<BenchResult, 'ratio'>): void;
  /**
   * For what was measured in rounds, both sides in each: a machine that changes its speed between two rounds changes no ratio
   * within one.
   */
  reportRounds(result: Rounds): void;
  /** To stderr. */
  say(text: string): void;
}

export interface Rounds {
  readonly case: string;
  readonly unit: string;
  /** A figure for each round, in their order. */
  readonly ours: readonly number[];
  readonly peer: readonly number[];
  readonly peer_name: string;
}

export interface NamedCase {
  readonly name: string;
  /** Takes so long that it runs only when a filter asks for it. */
  readonly onlyNamed?: boolean;
  run(bench: Bench): void | Promise<void>;
}

/** The default export of a file in bench/cases/. */
export type BenchFile = ((bench: Bench) => void | Promise<void>) | readonly NamedCase[];

export interface Pair {
  /** One operation each; a promise is awaited. */
  readonly ours: () => unknown;
  readonly peer: () => unknown;
  readonly peerName: string;
  /** Interleaved repetitions, 101 unless said. */
  readonly runs?: number;
  /** How long one repetition of either side takes, 2 unless said: short enough that most fit between two interruptions. */
  readonly batchMillis?: number;
}

export interface Timing {
  /** Medians, microseconds a call. */
  readonly ours: number;
  readonly peer: number;
  readonly runs: number;
}

/**
 * Interleaves the two, so that whatever else the machine does falls on both, and takes medians, so that a pause of the
 * collector falls on neither. Each side's batch is calibrated to take about the same time.
 */
export async function measure(pair: Pair): Promise<Timing> {
  const { runs = 101, batchMillis = 2 } = pair;
  const ours = await sideOf(pair.ours, batchMillis);
  const peer = await sideOf(pair.peer, batchMillis);
  for (let run = 0; run < runs; run += 1) {
    // Taking turns at going first: whoever follows finds warmer caches.
    for (const side of run % 2 === 0 ? [ours, peer] : [peer, ours]) {
      side.samples.push((await side.batch(side.size)) / side.size);
    }
  }
  return { ours: median(ours.samples), peer: median(peer.samples), runs };
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

interface Side {
  /** Runs the operation so many times and tells the microseconds. */
  readonly batch: (size: number) => number | Promise<number>;
  readonly size: number;
  readonly samples: number[];
}

async function sideOf(operation: () => unknown, batchMillis: number): Promise<Side> {
  const first = operation();
  const later = first instanceof Promise;
  await first;
  const batch = later ? asyncBatch(operation) : syncBatch(operation);
  // The same path that is measured is warmed up: the optimiser has seen it before the first sample counts.
  let size = 1;
  let micros = 0;
  const warmUntil = performance.now() + batchMillis * 10;
  while (performance.now() < warmUntil || micros < batchMillis * 500) {
    micros = await batch(size);
    if (micros < batchMillis * 500) size *= 2;
  }
  return { batch, size: Math.max(1, Math.round((size * batchMillis * 1000) / micros)), samples: [] };
}

/** What the operations return goes here, so that none of them is optimised away. */
const sink: { last: unknown } = { last: null };

function syncBatch(operation: () => unknown): (size: number) => number {
  return (size) => {
    const started = performance.now();
    let last: unknown;
    for (let count = 0; count < size; count += 1) last = operation();
    const micros = (performance.now() - started) * 1000;
    sink.last = last;
    return micros;
  };
}

function asyncBatch(operation: () => unknown): (size: number) => Promise<number> {
  return async (size) => {
    const started = performance.now();
    let last: unknown;
    for (let count = 0; count < size; count += 1) last = await operation();
    const micros = (performance.now() - started) * 1000;
    sink.last = last;
    return micros;
  };
}
