import cluster from 'node:cluster';
import type { Invocation } from '../command.ts';
import { EXIT } from '../failure.ts';
import { readCheckedConfig } from '../workplace.ts';
import { graceMillis } from './ending.ts';
import type { FromWorker, ToWorker, WorkerSamples } from './messages.ts';
import { startServer } from './server.ts';
import { sayStarted } from './started.ts';

/**
 * One of several processes on the same doors, begun and ended by the first one. What a terminal sends to all (SIGINT, SIGHUP) is
 * the first one's to deal with; SIGTERM ends this one alone, and a new one takes its place.
 */
export async function serveAsWorker(invocation: Invocation, drainMillis: number): Promise<number> {
  try {
    return await serveUntilEnded(invocation, drainMillis);
  } finally {
    // The process would not end while it could still be spoken to; and process.disconnect would end it without its exit code.
    if (process.connected) cluster.worker?.disconnect();
  }
}

async function serveUntilEnded(invocation: Invocation, drainMillis: number): Promise<number> {
  process.on('SIGINT', () => undefined).on('SIGHUP', () => undefined);
  const ended = toBeEnded();
  const { slot, config: text, says } = await firstMessage();
  const asked = new Map<number, (of: readonly WorkerSamples[]) => void>();
  let questions = 0;
  const others = (): Promise<readonly WorkerSamples[]> =>
    new Promise((resolve) => {
      asked.set((questions += 1), resolve);
      tell({ kind: 'samples of others', question: questions });
    });
  const config = await readCheckedConfig(invocation, { text });
  let starting = true;
  const warn = (warning: string): void => {
    if (!starting || says !== 'nothing') invocation.out.warn(warning);
  };
  const out = { ...invocation.out, warn };
  const server = await startServer({ ...invocation, out }, config, { own: String(slot), others });
  starting = false;
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'samples of others') {
      asked.get(message.question)?.(message.of);
      asked.delete(message.question);
    } else if (message.kind === 'samples')
      void server.stack.audit
        .samples()
        .then((samples) => tell({ kind: 'samples', question: message.question, samples }));
  });
  if (says === 'all') await sayStarted(server.stack, server.doors, invocation);
  tell({ kind: 'ready' });

  await server.end(drainMillis, await ended);
  return EXIT.done;
}

function firstMessage(): Promise<Extract<ToWorker, { kind: 'start' }>> {
  return new Promise((resolve) => {
    process.on('message', function first(message: ToWorker) {
      if (message.kind !== 'start') return;
      process.removeListener('message', first);
      resolve(message);
    });
  });
}

/** Resolves to how long idle connections are still served, milliseconds. */
function toBeEnded(): Promise<number> {
  return new Promise((resolve) => {
    process.on('message', (message: ToWorker) => {
      if (message.kind === 'end') resolve(message.graceMillis);
    });
    process.once('SIGTERM', () => resolve(graceMillis));
  });
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}
