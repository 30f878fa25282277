import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench } from '../measure.ts';
import { cpuMicros, hasWrk, load } from '../proxies/load.ts';
import { start, startGateway, type Started } from '../proxies/start.ts';

/** Each with processes of its own: how fast one runs is settled, for as long as it lives, by what its compiler saw first. */
const generations = 6;
const roundsEach = 3;
const warmSeconds = 4;
const secondsPerRound = 2;
const connections = 64;
const path = '/bench/embed';

interface Side {
  readonly variant: 'full' | 'bare' | 'silent';
  readonly rates: number[];
  /** Microseconds of CPU time a request, all threads. */
  readonly cpu: number[];
  /** The same of the thread that answers: what is left for requests where another core is free. */
  readonly answering: number[];
}

/**
 * What evidence costs: the gateway with a log line, a row and its part of a seal for every decision, beside the same gateway
 * on the same kind of store that keeps nothing. What a round has recorded and is not yet written and sealed at its end is so
 * right behind it, and that time counts as time in which no request was answered. A third gateway shows how much of that is
 * lines and rows as such: it keeps rows without counting, indexing or sealing them.
 */
export default async function recordingCases(bench: Bench): Promise<void> {
  if (!bench.wants('recording')) return;
  if (!(await hasWrk())) {
    bench.say('skipped: the recording cases need wrk (apt-get install wrk)');
    return;
  }
  const recorded = sideOf('full');
  const bare = sideOf('bare');
  const silent = sideOf('silent');
  for (let generation = 0; generation < generations; generation += 1) await measure([recorded, bare, silent]);

  const peer_name = 'gateway, nothing recorded';
  const report = (name: string, unit: string, ours: readonly number[], peer: readonly number[]): void =>
    bench.reportRounds({ case: name, unit, ours, peer, peer_name });
  report('recording: lines, rows and seals', 'req/s', recorded.rates, silent.rates);
  report('recording: lines and bare rows', 'req/s', bare.rates, silent.rates);
  report('recording: CPU time a request', 'us', recorded.cpu, silent.cpu);
  report('recording: CPU time a request, bare rows', 'us', bare.cpu, silent.cpu);
  report('recording: CPU time a request, thread that answers', 'us', recorded.answering, silent.answering);
}

function sideOf(variant: Side['variant']): Side {
  return { variant, rates: [], cpu: [], answering: [] };
}

async function measure(sides: readonly Side[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
  const upstream = await start('upstream.ts', []);
  const running: [Side, Started][] = [];
  const kept = new Map<Side, number>();
  try {
    for (const each of sides) running.push([each, await startGateway(upstream.url, folder, each.variant)]);
    for (const [side, started] of running) {
      await load(started, path, connections, warmSeconds);
      kept.set(side, await seal(started));
    }
    for (let round = 0; round < roundsEach; round += 1)
      for (const [side, started] of round % 2 === 0 ? running : running.toReversed()) {
        const before = await cpuMicros(started);
        const answeringBefore = await cpuMicros(started, 'first');
        const { requests, rate } = await load(started, path, connections, secondsPerRound);
        side.answering.push(((await cpuMicros(started, 'first')) - answeringBefore) / requests);
        const behind = performance.now();
        const now = await seal(started);
        side.rates.push(requests / (requests / rate + (performance.now() - behind) / 1000));
        side.cpu.push(((await cpuMicros(started)) - before) / requests);
        // Were rows lost, less would be recorded than is paid for.
        if (side.variant === 'silent') continue;
        const more = now - (kept.get(side) ?? 0);
        if (more < requests) throw new Error(`${more} of ${requests} requests are kept`);
        kept.set(side, now);
      }
  } finally {
    for (const [, started] of running) await started.stop();
    await upstream.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes what waits, seals it, and tells how many decisions are kept. */
async function seal({ child }: Started): Promise<number> {
  const told = once(child, 'message');
  child.send('seal');
  const [{ kept }] = (await told) as [{ kept: number }];
  return kept;
}
