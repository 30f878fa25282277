import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/message-of.ts';
import { isUnstorable, type DecisionKeeper, type DecisionRow } from '../core/store.ts';
import { answerTimes } from './answer-times.ts';

/** Brings rows to the store in batches, behind the requests' backs. */
export interface Recorder {
  add(row: DecisionRow): void;
  /** A service has begun to answer: kept with the next rows. */
  answered(service: string, micros: number): void;
  readonly dropped: number;
  /** The store has refused rows for a second or two, and they wait: it is away, or full. */
  readonly waiting: boolean;
  /** Resolves when what was added before is in the store, or when the store refused it; never rejects. */
  flush(): Promise<void>;
  /** Flushes and stops; rows that cannot be written then are counted as dropped. */
  close(): Promise<void>;
}

export interface RecorderOptions {
  readonly store: DecisionKeeper;
  readonly retain: { readonly seconds: number; readonly rows: number };
  readonly clock: Clock;
  readonly warn: (text: string) => void;
  /** Rows kept in memory while the store is away or slow. */
  readonly queueMax?: number;
  readonly onDropped?: ((count: number) => void) | undefined;
}

const batchRows = 500;
const flushMillis = 100;
const retryMillisMax = 5000;
/** So often in a row the store must have failed before it is said: a second or two. */
const failuresUntold = 3;
const pruneMillis = 60_000;
const pruneEveryRows = 10_000;

export function recorder(options: RecorderOptions): Recorder {
  const { store, retain, clock, warn, queueMax = 20_000 } = options;
  const answers = answerTimes();
  let queue: DecisionRow[] = [];
  let dropped = 0;
  let droppedAtWarning = 0;
  let droppedTold = 0;
  let failures = 0;
  let takeRows = batchRows;
  let toldToWait = false;
  let writing: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  let writtenSincePrune = 0;
  let pruning = false;

  function add(row: DecisionRow): void {
    if (closed || queue.length >= queueMax) {
      dropped += 1;
      if (!closed && droppedAtWarning === 0) warnOfLoss();
      return;
    }
    queue.push(row);
    if (queue.length === batchRows && failures === 0) void write();
    else if (timer === null && writing === null) later(flushMillis);
  }

  /** Nothing else tells of a store that can be read and is full. */
  function warnOfWaiting(error: unknown): void {
    toldToWait = true;
    warn(`decisions wait, ${queueMax} at most: ${messageOf(error)} (requests are not held up)`);
  }

  /** One line when rows begin to be lost, and one with the sum when the store takes them again. */
  function warnOfLoss(): void {
    droppedAtWarning = dropped;
    warn(
      `decisions are being lost: the store does not take them and ${queueMax} are waiting (requests are not held up)`,
    );
  }

  function tellDropped(): void {
    if (dropped > droppedTold) options.onDropped?.(dropped - droppedTold);
    droppedTold = dropped;
  }

  function later(millis: number): void {
    timer = setTimeout(() => {
      timer = null;
      void write();
    }, millis);
    timer.unref();
  }

  function write(): Promise<void> {
    writing ??= writeAll();
    return writing;
  }

  async function writeAll(): Promise<void> {
    if (timer) clearTimeout(timer);
    timer = null;
    try {
      // Leaves the request's own tick: an embedded store writes on this thread.
      await setImmediate();
      do await writeBatch();
      while (queue.length > 0);
    } catch (error) {
      failures += 1;
      if (failures === failuresUntold && droppedAtWarning === 0) warnOfWaiting(error);
      if (!closed) later(Math.min(retryMillisMax, flushMillis * 2 ** failures));
    } finally {
      writing = null;
    }
    if (writtenSincePrune >= pruneEveryRows) void prune();
  }

  /** One row that the store can never hold is to cost that row, and not those behind it: it is looked for by halves. */
  function setAside(batch: readonly DecisionRow[], error: unknown): void {
    if (batch.length > 1) {
      takeRows = Math.ceil(batch.length / 2);
      return;
    }
    queue = queue.slice(1);
    dropped += 1;
    if (dropped - droppedTold === 1)
      warn(`a decision is left out (request ${batch[0]?.requestId ?? ''}): ${messageOf(error)}`);
  }

  /** The rows stay in the queue until they are acknowledged, so a failed batch is simply tried again. */
  async function writeBatch(): Promise<void> {
    const batch = queue.slice(0, takeRows);
    const measures = answers.next();
    if (batch.length + measures.length === 0) return;
    try {
      await store.append(batch, measures);
    } catch (error) {
      if (batch.length === 0 || !isUnstorable(error)) throw error;
      return setAside(batch, error);
    }
    takeRows = Math.min(batchRows, takeRows * 2);
    answers.kept();
    queue = queue.slice(batch.length);
    writtenSincePrune += batch.length;
    failures = 0;
    if (droppedAtWarning > 0) warn(`decisions are being kept again; ${dropped} were lost so far`);
    else if (toldToWait) warn('decisions are being kept again; none of those that waited was lost');
    tellDropped();
    droppedAtWarning = 0;
    toldToWait = false;
  }

  async function prune(): Promise<void> {
    if (pruning || closed) return;
    pruning = true;
    writtenSincePrune = 0;
    try {
      await store.prune(clock() - retain.seconds, retain.rows);
      await store.pruneRollups(clock());
    } catch {
      // The next round tries again; keeping too much for a while harms nobody.
    } finally {
      pruning = false;
    }
  }

  // Nothing may have been asked since the last answer.
  const pruneTimer = setInterval(() => void write().then(prune), pruneMillis);
  pruneTimer.unref();

  return {
    add,
    answered: (service, micros) => answers.add(service, micros, clock()),
    get dropped() {
      return dropped;
    },
    get waiting() {
      return failures >= failuresUntold;
    },
    async flush() {
      // The first round may have begun before the last row was added.
      await writing;
      await write();
    },
    async close() {
      if (closed) return;
      closed = true;
      clearInterval(pruneTimer);
      await writing;
      await write();
      if (timer) clearTimeout(timer);
      if (queue.length > 0) warn(`${queue.length} decisions could not be written before closing`);
      dropped += queue.length;
      queue = [];
      tellDropped();
    },
  };
}
