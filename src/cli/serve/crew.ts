import { setTimeout as pause } from 'node:timers/promises';
import { backoffMillis } from '../../stores/backoff.ts';
import { graceMillis } from './ending.ts';
import type { Says } from './messages.ts';
import { startWorker, type WorkerProcess } from './worker-process.ts';
import { messageOf } from '../../core/message-of.ts';

/** The workers of one server, each with its place. */
export interface Crew {
  /** Rejects with a Failure when one of them does not start; those that did are ended then. */
  start(config: string): Promise<void>;
  /**
   * One after the other, so that all but one serve at any time. Rejects when one of the new ones does not start; those that ran
   * before go on, or are started again.
   */
  replaceAll(config: string): Promise<void>;
  /** Resolves when all are gone. */
  end(graceMillis: number): Promise<void>;
}

export interface CrewOptions {
  readonly count: number;
  readonly drainMillis: number;
  readonly onWarning: (text: string) => void;
}

/** A worker that ran for so long did not end because of how it was started. */
const settledMillis = 60_000;

export function crew({ count, drainMillis, onWarning }: CrewOptions): Crew {
  /** Null while a new one is being started. */
  const places: { worker: WorkerProcess | null; failures: number }[] = [];
  for (let slot = 1; slot <= count; slot += 1) places.push({ worker: null, failures: 0 });
  const leaving = new Set<Promise<void>>();
  const over = new AbortController();
  /** What a worker that ended unasked is started with again. */
  let inForce = '';

  const placeOf = (slot: number): { worker: WorkerProcess | null; failures: number } => {
    const place = places[slot - 1];
    if (!place) throw new RangeError(`there is no worker ${slot}`);
    return place;
  };
  const serving = (): readonly WorkerProcess[] => places.flatMap(({ worker }) => worker ?? []);

  /** Resolves when the new one serves and whoever had the place has been told to leave. */
  async function fill(slot: number, config: string, says: Says = 'warnings'): Promise<void> {
    const worker = await startWorker({ slot, config, says, peers: serving });
    if (over.signal.aborted) return leave(worker, 0);
    const place = placeOf(slot);
    const before = place.worker;
    const began = performance.now();
    place.worker = worker;
    if (before) leave(before, graceMillis);
    void worker.ended.then((how) => {
      if (place.worker !== worker || over.signal.aborted) return;
      place.worker = null;
      place.failures = performance.now() - began > settledMillis ? 0 : place.failures + 1;
      onWarning(`worker ${slot} ended unasked (${how}); a new one is started`);
      void fillAgain(slot);
    });
  }

  async function fillAgain(slot: number): Promise<void> {
    const place = placeOf(slot);
    while (place.worker === null) {
      await pause(place.failures === 0 ? 0 : backoffMillis(place.failures));
      if (over.signal.aborted || place.worker !== null) return;
      try {
        await fill(slot, inForce);
      } catch (error) {
        place.failures += 1;
        onWarning(`worker ${slot} could not be started: ${messageOf(error)}`);
      }
    }
  }

  function leave(worker: WorkerProcess, grace: number): void {
    const gone = worker.end({ drainMillis, graceMillis: grace }).then(() => void leaving.delete(gone));
    leaving.add(gone);
  }

  async function end(grace: number): Promise<void> {
    over.abort();
    for (const worker of serving()) leave(worker, grace);
    while (leaving.size > 0) await Promise.all(leaving);
  }

  return {
    async start(config) {
      inForce = config;
      try {
        // The first one alone, so that a schema is brought up to date, and what is wrong is said, once.
        await fill(1, config, 'all');
        await Promise.all(places.map((_, index) => (index === 0 ? null : fill(index + 1, config, 'nothing'))));
      } catch (error) {
        await end(0);
        throw error;
      }
    },
    async replaceAll(config) {
      const last = inForce;
      inForce = config;
      for (let slot = 1; slot <= count && !over.signal.aborted; slot += 1) {
        const { worker: before } = placeOf(slot);
        try {
          await fill(slot, config, slot === 1 ? 'warnings' : 'nothing');
        } catch (error) {
          inForce = last;
          for (let back = 1; back < slot; back += 1) await fill(back, last, 'nothing');
          throw error;
        }
        await before?.ended;
      }
    },
    end,
  };
}
