import cluster, { type Worker } from 'node:cluster';
import { Failure } from '../failure.ts';
import type { FromWorker, Says, ToWorker, WorkerSamples } from './messages.ts';
import { passLines } from './pass-lines.ts';

/** A worker as the first process sees it. */
export interface WorkerProcess {
  readonly slot: number;
  /** Resolves to how, in plain words, when the process is gone. */
  readonly ended: Promise<string>;
  /** Lets it finish what is under way; resolves when the process is gone, which it is at the latest soon after the time. */
  end(how: { readonly drainMillis: number; readonly graceMillis: number }): Promise<void>;
  /** What it counted; null when it does not say in time. */
  samples(): Promise<WorkerSamples | null>;
}

export interface WorkerOptions {
  /** 1 for the first. */
  readonly slot: number;
  /** The text of the configuration. */
  readonly config: string;
  readonly says: Says;
  /** Those that serve now. */
  readonly peers: () => readonly WorkerProcess[];
}

const startMillisMax = 60_000;
const samplesMillisMax = 1500;
/** To write out what is buffered and close the store, beyond the time for requests. */
const closingMillisMax = 5000;

/** Resolves when it serves. Rejects with a Failure that carries the worker's own exit code when it ended before. */
export async function startWorker({ slot, config, says, peers }: WorkerOptions): Promise<WorkerProcess> {
  const worker = cluster.fork();
  const waiting = new Map<number, (samples: WorkerSamples | null) => void>();
  let questions = 0;
  const ended = exitOf(worker);
  if (worker.process.stdout) passLines(worker.process.stdout, process.stdout);
  worker.on('error', () => undefined);

  function tell(message: ToWorker): void {
    if (worker.isConnected()) worker.send(message, () => undefined);
  }

  const self: WorkerProcess = {
    slot,
    ended,
    async end({ drainMillis, graceMillis }) {
      tell({ kind: 'end', graceMillis });
      const late = setTimeout(() => worker.process.kill('SIGKILL'), drainMillis + closingMillisMax);
      await ended;
      clearTimeout(late);
    },
    samples: () =>
      new Promise((resolve) => {
        const question = (questions += 1);
        const late = setTimeout(() => answer(null), samplesMillisMax);
        const answer = (samples: WorkerSamples | null): void => {
          clearTimeout(late);
          waiting.delete(question);
          resolve(samples);
        };
        waiting.set(question, answer);
        tell({ kind: 'samples', question });
      }),
  };

  async function gather(question: number): Promise<void> {
    const all = await Promise.all(peers().flatMap((peer) => (peer.slot === slot ? [] : peer.samples())));
    tell({ kind: 'samples of others', question, of: all.filter((samples) => samples !== null) });
  }

  const ready = new Promise<'ready'>((resolve) => {
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'ready') resolve('ready');
      else if (message.kind === 'samples')
        waiting.get(message.question)?.({ worker: String(slot), samples: message.samples });
      else void gather(message.question);
    });
  });
  await Promise.race([new Promise<void>((resolve) => worker.once('online', resolve)), ended]);
  tell({ kind: 'start', slot, config, says });
  const late = setTimeout(() => worker.process.kill('SIGKILL'), startMillisMax);
  const first = await Promise.race([ready, ended]);
  clearTimeout(late);
  if (first !== 'ready') throw new Failure(failureOf(worker), `worker ${slot} did not start: ${first}`);
  return self;
}

/** Not events.once, which would take a message that could not be sent for the end. */
function exitOf(worker: Worker): Promise<string> {
  return new Promise((resolve) => {
    worker.once('exit', (code: number | null, signal: string | null) => resolve(signal ?? `exit ${code}`));
  });
}

function failureOf({ process: { exitCode } }: Worker): Failure['code'] {
  if (exitCode === 2) return 'usage';
  return exitCode === 3 ? 'unreachable' : 'refused';
}
