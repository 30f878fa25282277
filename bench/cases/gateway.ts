import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median, type Bench } from '../measure.ts';
import { hasWrk, load } from '../proxies/load.ts';
import { start, startGateway, startNginx, type Started } from '../proxies/start.ts';

/** Each with processes of its own: how fast one runs is settled, for as long as it lives, by what its compiler saw first. */
const generations = 3;
const roundsEach = 5;
const rounds = generations * roundsEach;
/** What runs for weeks is measured when its code has been compiled, not while. */
const warmSeconds = 4;
/** Short, so that what else the machine does meets all sides alike. */
const secondsPerRound = 1;
const connections = 64;
/** For latency: few enough that no proxy is ever saturated, so that what is added and not what is queued is seen. */
const quietConnections = 1;

type Start = (upstream: string, folder: string) => Promise<Started | null>;

interface Side {
  readonly name: string;
  readonly start: Start;
  readonly path: string;
  readonly rates: number[];
  /** Microseconds of CPU time a request, all threads. */
  readonly cpu: number[];
  readonly p50: number[];
  readonly p99: number[];
}

/** Requests a second with 64 connections, and the latency that one connection sees, through each proxy and without one. */
export default async function gatewayCases(bench: Bench): Promise<void> {
  if (!bench.wants('gateway')) return;
  if (!(await hasWrk())) {
    bench.say('skipped: the gateway cases need wrk (apt-get install wrk)');
    return;
  }
  const plain = side('gateway', (upstream, folder) => startGateway(upstream, folder, 'plain'), '/bench/embed');
  const full = side(
    'gateway, log lines and rows',
    (upstream, folder) => startGateway(upstream, folder, 'full'),
    '/bench/embed',
  );
  const bare = side('node:http and undici, nothing else', (upstream) => start('bare.ts', [upstream]));
  const direct = side('the upstream itself', () => start('upstream.ts', []));
  const nginx = side('nginx', startNginx);
  const peers = [bare, side('@fastify/http-proxy', (upstream) => start('fastify.ts', [upstream])), nginx, direct];

  for (let generation = 0; generation < generations; generation += 1) await measure([plain, full, ...peers]);
  if (nginx.rates.length === 0) bench.say('skipped: nginx is not installed');

  const rate = (name: string, ours: Side, peer: Side): void =>
    bench.reportRounds({ case: name, unit: 'req/s', ours: ours.rates, peer: peer.rates, peer_name: peer.name });
  for (const peer of peers) rate('gateway, API key and metrics', plain, peer);
  for (const peer of peers) rate('gateway, API key, metrics, log lines and rows', full, peer);
  for (const ours of [plain, full]) {
    cpu(bench, ours, bare);
    latency(bench, `${ours.name}: latency p50`, ours.p50, direct.p50, direct.name);
    latency(bench, `${ours.name}: latency p99`, ours.p99, direct.p99, direct.name);
    added(bench, `${ours.name}: added to p50`, ours.p50, bare.p50, direct.p50);
    added(bench, `${ours.name}: added to p99`, ours.p99, bare.p99, direct.p99);
  }
}

function side(name: string, begin: Start, path = '/embed'): Side {
  return { name, start: begin, path, rates: [], cpu: [], p50: [], p99: [] };
}

/** One generation: starts every side, warms it, and measures them in turn. */
async function measure(sides: readonly Side[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
  const upstream = await start('upstream.ts', []);
  const running: [Side, Started][] = [];
  try {
    for (const each of sides) {
      const started = await each.start(upstream.url, folder);
      if (started !== null) running.push([each, started]);
    }
    for (const [each, started] of running) await load(started, each.path, connections, warmSeconds);
    for (let round = 0; round < roundsEach; round += 1) {
      // Each round begins with another side, so that no one always follows the same neighbour.
      for (let turn = 0; turn < running.length; turn += 1) {
        const [each, started] = running[(round + turn) % running.length] as [Side, Started];
        const busy = await load(started, each.path, connections, secondsPerRound);
        each.rates.push(busy.rate);
        each.cpu.push(busy.cpu);
        const quiet = await load(started, each.path, quietConnections, 1);
        each.p50.push(quiet.p50);
        each.p99.push(quiet.p99);
      }
    }
  } finally {
    for (const [, started] of running) await started.stop();
    await upstream.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Says on a busy machine too what the requests a second say on a quiet one: a proxy is done when its one thread is. */
function cpu(bench: Bench, ours: Side, bare: Side): void {
  const [own, other] = [median(ours.cpu), median(bare.cpu)];
  if (Number.isNaN(own) || Number.isNaN(other)) return;
  const name = `${ours.name}: CPU time a request`;
  bench.report({ case: name, unit: 'us', ours: own, peer: other, peer_name: bare.name, runs: rounds });
}

function latency(bench: Bench, name: string, ours: readonly number[], peer: readonly number[], peerName: string): void {
  bench.reportRounds({ case: name, unit: 'us', ours, peer, peer_name: peerName });
}

/** What the gateway adds to the upstream's own latency, beside what the bare proxy adds. */
function added(
  bench: Bench,
  name: string,
  ours: readonly number[],
  bare: readonly number[],
  direct: readonly number[],
): void {
  const alone = median(direct);
  const millis = (through: readonly number[]): number => (median(through) - alone) / 1000;
  const peer_name = 'added by node:http and undici, nothing else';
  bench.report({ case: name, unit: 'ms', ours: millis(ours), peer: millis(bare), peer_name, runs: rounds });
}
