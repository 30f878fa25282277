import { Worker } from 'node:worker_threads';
import type { AuditConfig } from '../../compose/config.ts';
import type { RollupMeasure } from '../../core/rollup.ts';
import { StoreError, type DecisionKeeper, type StoreErrorCode } from '../../core/store.ts';
import { packed, type PackedRows } from './packed-rows.ts';

/**
 * Writes decisions to an SQLite file, removes and seals them, in a thread of its own: the engine works on the thread that
 * calls it, and the one that answers requests has better things to do. A verb resolves when the file has it, as the store's own.
 */
export interface EvidenceThread extends DecisionKeeper {
  /** Starts it, unless something was recorded by then: it also seals what was left by others. */
  start(): void;
  /** Seals what is left, when that falls to this server, and ends the thread. What is recorded afterwards starts it again. */
  close(): Promise<void>;
}

/** What the thread is started with. */
export interface EvidenceData {
  readonly file: string;
  readonly audit: AuditConfig;
  readonly lookMillis?: number;
}

export type Asked =
  | {
      readonly id: number;
      readonly verb: 'append';
      readonly rows: PackedRows;
      readonly measures: readonly RollupMeasure[];
    }
  | { readonly id: number; readonly verb: 'prune'; readonly before: number; readonly keep: number }
  | { readonly id: number; readonly verb: 'pruneRollups'; readonly now: number }
  | { readonly verb: 'close' };

export type Answered =
  | { readonly id: number; readonly result: number }
  | { readonly id: number; readonly code: StoreErrorCode; readonly message: string }
  | { readonly warning: string };

type Question<A = Asked> = A extends { readonly id: number } ? Omit<A, 'id'> : never;

interface Waiting {
  resolve(result: number): void;
  reject(error: Error): void;
}

// What is compiled is JavaScript, and a URL is not rewritten as an import is.
const entry = new URL(`./evidence-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** `lookMillis`: how often is looked whether there is something to seal. */
export function evidenceThread(data: EvidenceData, warn: (text: string) => void): EvidenceThread {
  let thread: Worker | null = null;
  let ending: Worker | null = null;
  let last = 0;
  let waiting = new Map<number, Waiting>();

  function started(): Worker {
    const made = new Worker(entry, { workerData: data });
    made.on('message', (answer: Answered) => answered(answer));
    made.on('error', (error) => warn(`the thread that keeps decisions failed: ${error.message}`));
    made.on('exit', () => gone());
    // What holds the process are its doors, and whoever waits for an answer.
    made.unref();
    return made;
  }

  function answered(answer: Answered): void {
    if ('warning' in answer) return warn(answer.warning);
    const asker = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (waiting.size === 0 && thread !== ending) thread?.unref();
    if ('result' in answer) asker?.resolve(answer.result);
    else asker?.reject(new StoreError(answer.code, answer.message));
  }

  /** Whoever waits tries again, which starts it anew. */
  function gone(): void {
    thread = null;
    const askers = waiting.values();
    waiting = new Map();
    for (const { reject } of askers)
      reject(new StoreError('store_unavailable', 'the thread that keeps decisions has ended'));
  }

  function ask(question: Question): Promise<number> {
    thread ??= started();
    thread.ref();
    const id = (last += 1);
    thread.postMessage({ ...question, id });
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  }

  return {
    async append(rows, measures = []) {
      await ask({ verb: 'append', rows: packed(rows), measures });
    },
    prune: (before, keep) => ask({ verb: 'prune', before, keep }),
    async pruneRollups(now) {
      await ask({ verb: 'pruneRollups', now });
    },
    start() {
      thread ??= started();
    },
    async close() {
      if (thread === null) return;
      const closing = (ending = thread);
      closing.ref();
      const ended = new Promise<void>((resolve) => closing.once('exit', () => resolve()));
      closing.postMessage({ verb: 'close' } satisfies Asked);
      await ended;
    },
  };
}
