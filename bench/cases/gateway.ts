import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { median, type Bench } from '../measure.ts';
import { start, startNginx, type Started } from '../proxies/start.ts';

const run = promisify(execFile);

const rounds = 7;
const secondsPerRound = 2;
const connections = 64;
/** For latency: few enough that no proxy is ever saturated, so that what is added and not what is queued is seen. */
const quietConnections = 1;

interface Side {
  readonly name: string;
  readonly started: Started;
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
  const folder = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
  const upstream = await start('upstream.ts', []);
  const sides: Side[] = [];
  const add = (name: string, started: Started, path = '/embed'): Side => {
    const side: Side = { name, started, path, rates: [], cpu: [], p50: [], p99: [] };
    sides.push(side);
    return side;
  };
  try {
    const plain = add('gateway', await start('gateway.ts', [upstream.url, folder, 'plain']), '/bench/embed');
    const full = add(
      'gateway, log lines and rows',
      await start('gateway.ts', [upstream.url, folder, 'full']),
      '/bench/embed',
    );
    const direct = add('the upstream itself', upstream);
    const bare = add('node:http and undici, nothing else', await start('bare.ts', [upstream.url]));
    const peers = [bare, add('@fastify/http-proxy', await start('fastify.ts', [upstream.url]))];
    const nginx = await startNginx(upstream.url, folder);
    if (nginx === null) bench.say('skipped: nginx is not installed');
    else peers.push(add('nginx', nginx));

    for (const side of sides) await load(side, connections, 1);
    for (let round = 0; round < rounds; round += 1) {
      // Each round begins with another side, so that no one always follows the same neighbour.
      for (let turn = 0; turn < sides.length; turn += 1) {
        const side = sides[(round + turn) % sides.length] as Side;
        const busy = await load(side, connections, secondsPerRound);
        side.rates.push(busy.rate);
        side.cpu.push(busy.cpu);
        const quiet = await load(side, quietConnections, 1);
        side.p50.push(quiet.p50);
        side.p99.push(quiet.p99);
      }
    }

    const rate = (name: string, ours: Side, peer: Side): void =>
      bench.report({
        case: name,
        unit: 'req/s',
        ours: median(ours.rates),
        peer: median(peer.rates),
        peer_name: peer.name,
        runs: rounds,
      });
    for (const peer of [...peers, direct]) rate('gateway, API key and metrics', plain, peer);
    for (const peer of [...peers, direct]) rate('gateway, API key, metrics, log lines and rows', full, peer);
    for (const ours of [plain, full]) {
      cpu(bench, ours, bare);
      latency(bench, `${ours.name}: latency p50`, ours.p50, direct.p50, direct.name);
      latency(bench, `${ours.name}: latency p99`, ours.p99, direct.p99, direct.name);
      added(bench, `${ours.name}: added to p50`, ours.p50, bare.p50, direct.p50);
      added(bench, `${ours.name}: added to p99`, ours.p99, bare.p99, direct.p99);
    }
  } finally {
    for (const { started } of sides) await started.stop();
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
  bench.report({ case: name, unit: 'us', ours: median(ours), peer: median(peer), peer_name: peerName, runs: rounds });
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

async function hasWrk(): Promise<boolean> {
  // wrk prints its version and exits 1.
  return run('wrk', ['-v']).then(
    () => true,
    (error: unknown) => (error as { code?: unknown }).code !== 'ENOENT',
  );
}

interface Load {
  readonly rate: number;
  /** Microseconds of CPU time a request; NaN where the system does not tell. */
  readonly cpu: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
}

async function load(side: Side, open: number, seconds: number): Promise<Load> {
  const { url, key } = side.started;
  // Every side gets a request of the same size, whether it looks at the credential or not.
  const credential = ['-H', `Authorization: Bearer ${key ?? 'x'.repeat(67)}`];
  const args = ['-t1', `-c${open}`, `-d${seconds}s`, '--latency', ...credential, `${url}${side.path}`];
  const before = await cpuMicros(side.started);
  const { stdout } = await run('wrk', args);
  const spent = (await cpuMicros(side.started)) - before;
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${side.name} failed under load:\n${stdout}`);
  return {
    rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    cpu: spent / Number(/(\d+) requests in/.exec(stdout)?.[1]),
    p50: micros(stdout, '50%'),
    p99: micros(stdout, '99%'),
  };
}

/** wrk writes 61.00us, 1.23ms or 1.02s. */
function micros(text: string, percentile: string): number {
  const [, figure, unit] = new RegExp(`${percentile}\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? [];
  return Number(figure) * ({ us: 1, ms: 1000, s: 1_000_000 }[unit ?? 'us'] ?? 1);
}

const microsPerTick = 10_000;

/** CPU time of a process so far (proc(5): utime and stime are fields 14 and 15, after a name that may hold spaces). */
async function cpuMicros({ child }: Started): Promise<number> {
  const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * microsPerTick;
}
