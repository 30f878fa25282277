import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, type Bench } from '../measure.ts';
import { cpuMicros, hasWrk, load } from '../proxies/load.ts';
import { start, type Started } from '../proxies/start.ts';

/** Each with processes of its own: how fast one runs is settled, for as long as it lives, by what its compiler saw first. */
const generations = 3;
const roundsEach = 5;
const rounds = generations * roundsEach;
const warmSeconds = 4;
const secondsPerRound = 2;
const connections = 64;
const path = '/bench/embed';

interface Side {
  readonly variant: 'full' | 'silent';
  readonly rates: number[];
  /** Microseconds of CPU time a request, all threads. */
  readonly cpu: number[];
}

/**
 * What evidence costs: the gateway with a log line, a row and its part of a seal for every decision, beside the same gateway
 * on the same kind of store that keeps nothing. A busy server puts sealing off; so that it is paid for all the same, what a
 * round has recorded is written and sealed right behind it, and that time counts as time in which no request was answered.
 */
export default async function recordingCases(bench: Bench): Promise<void> {
  if (!bench.wants('recording')) return;
  if (!(await hasWrk())) {
    bench.say('skipped: the recording cases need wrk (apt-get install wrk)');
    return;
  }
  const recorded: Side = { variant: 'full', rates: [], cpu: [] };
  const silent: Side = { variant: 'silent', rates: [], cpu: [] };
  const seals: number[] = [];
  for (let generation = 0; generation < generations; generation += 1) await measure([recorded, silent], seals);

  const peer_name = 'gateway, nothing recorded';
  const report = (name: string, unit: string, ours: readonly number[], peer: readonly number[]): void =>
    bench.report({ case: name, unit, ours: median(ours), peer: median(peer), peer_name, runs: rounds });
  report('recording: lines, rows and seals', 'req/s', recorded.rates, silent.rates);
  report('recording: CPU time a request', 'us', recorded.cpu, silent.cpu);
  bench.say(`sealing alone: ${median(seals).toFixed(1)} us a row`);
}

async function measure(sides: readonly Side[], seals: number[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
  const upstream = await start('upstream.ts', []);
  const running: [Side, Started][] = [];
  try {
    for (const each of sides) running.push([each, await start('gateway.ts', [upstream.url, folder, each.variant])]);
    for (const [, started] of running) {
      await load(started, path, connections, warmSeconds);
      await seal(started);
    }
    for (let round = 0; round < roundsEach; round += 1)
      for (const [side, started] of round % 2 === 0 ? running : running.toReversed()) {
        const before = await cpuMicros(started);
        const { requests, rate } = await load(started, path, connections, secondsPerRound);
        const behind = performance.now();
        const { rows, seconds } = await seal(started);
        side.rates.push(requests / (requests / rate + (performance.now() - behind) / 1000));
        side.cpu.push(((await cpuMicros(started)) - before) / requests);
        // Were rows lost, less would be recorded than is paid for.
        if (side.variant === 'full' && rows < requests) throw new Error(`${rows} of ${requests} requests are sealed`);
        if (rows > 0) seals.push((seconds * 1_000_000) / rows);
      }
  } finally {
    for (const [, started] of running) await started.stop();
    await upstream.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes what waits, and seals it: how many rows, and how long the sealing alone took. */
async function seal({ child }: Started): Promise<{ rows: number; seconds: number }> {
  const told = once(child, 'message');
  child.send('seal');
  const [answer] = (await told) as [{ rows: number; seconds: number }];
  return answer;
}
