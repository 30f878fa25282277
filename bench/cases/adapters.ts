/**
 * Requests a second of a hello-world server of each framework with the adapter, beside the same server without it, and
 * beside one that only hashes the API key and looks it up, which is as little as anybody can do. Each server is a process of
 * its own; the load comes from wrk where there is one. To stay above 0.95 with an API key and above 0.92 with a service
 * signature, as far as the least one does.
 *
 * A second is one of the server's own processor time where the machine tells it: that is what a saturated server has, and
 * what neighbours on the machine cannot take from it.
 */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Pool } from 'undici';
import { signServiceRequest } from '../../src/schemes/service-signature/index.ts';
import type { NamedCase } from '../measure.ts';

const frameworks = ['node', 'express', 'fastify', 'hono'] as const;
const rounds = 15;
const secondsEach = 1;
const connections = 32;

const secret = '0123456789abcdef'.repeat(4);
const apiKeyHeaders = { 'x-api-key': secret };

/** Good for 300 seconds, which is longer than all of this takes. */
const signatureHeaders = (): Record<string, string> =>
  signServiceRequest({
    serviceId: 'caller',
    secret,
    method: 'GET',
    target: '/hello',
    timestamp: Date.now() / 1000,
  }).headers;

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
}

async function start(framework: string, kind: 'bare' | 'least' | 'guarded', folder: string): Promise<Running> {
  const script = fileURLToPath(new URL('../adapters/server.ts', import.meta.url));
  const child = spawn(process.execPath, [script, framework, kind, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, url: `http://127.0.0.1:${port.toString().trim()}/hello` };
}

/** Processor time that a process has used, seconds; null where there is no /proc. Its clock ticks a hundred times a second. */
function processorSeconds(pid: number | undefined): number | null {
  try {
    // Behind the name of the program, which may hold anything: field 14 and 15 are user and system time.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return null;
  }
}

async function rate({ child, url }: Running, headers: Readonly<Record<string, string>>): Promise<number> {
  const before = processorSeconds(child.pid);
  const { requests, seconds } = hasWrk ? await withWrk(url, headers) : await withUndici(url, headers);
  const after = processorSeconds(child.pid);
  return requests / (before === null || after === null ? seconds : after - before);
}

interface Load {
  readonly requests: number;
  readonly seconds: number;
}

const hasWrk = spawnSync('wrk', ['-v']).error === undefined;
const run = promisify(execFile);

async function withWrk(url: string, headers: Readonly<Record<string, string>>): Promise<Load> {
  const lines = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${secondsEach}s`, ...lines, url]);
  const requests = /([0-9]+) requests in /.exec(stdout)?.[1];
  if (requests === undefined || stdout.includes('Non-2xx'))
    throw new Error(`wrk did not get what it asked for:\n${stdout}`);
  return { requests: Number(requests), seconds: secondsEach };
}

async function withUndici(url: string, headers: Readonly<Record<string, string>>): Promise<Load> {
  const pool = new Pool(new URL(url).origin, { connections });
  const started = performance.now();
  let answered = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() - started < secondsEach * 1000) {
        const { statusCode, body } = await pool.request({ path: '/hello', method: 'GET', headers });
        await body.dump();
        if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
        answered += 1;
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  await pool.close();
  return { requests: answered, seconds };
}

type Side = 'bare' | 'bareSigned' | 'least' | 'key' | 'signature';

/** Both sides of a ratio carry the same headers, since reading them is the framework's part. */
async function compare(framework: string): Promise<Record<Side, readonly number[]>> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  writeFileSync(join(folder, 'hello_api_key'), secret, { mode: 0o600 });
  writeFileSync(join(folder, 'caller.env'), `SERVICE_KEY=${secret}\n`, { mode: 0o600 });
  const [bare, least, guarded] = await Promise.all([
    start(framework, 'bare', folder),
    start(framework, 'least', folder),
    start(framework, 'guarded', folder),
  ]);
  const signed = signatureHeaders();
  const sides: readonly [Side, Running, Readonly<Record<string, string>>][] = [
    ['bare', bare, apiKeyHeaders],
    ['least', least, apiKeyHeaders],
    ['key', guarded, apiKeyHeaders],
    ['bareSigned', bare, signed],
    ['signature', guarded, signed],
  ];
  const rates: Record<Side, number[]> = { bare: [], bareSigned: [], least: [], key: [], signature: [] };
  try {
    for (const [, server, headers] of sides) await rate(server, headers);
    for (let round = 0; round < rounds; round += 1) {
      // Taking turns at going first, so that whatever else the machine does falls on all.
      for (let turn = 0; turn < sides.length; turn += 1) {
        const [side, server, headers] = sides[(round + turn) % sides.length] as (typeof sides)[number];
        rates[side].push(await rate(server, headers));
      }
    }
  } finally {
    for (const { child } of [bare, least, guarded]) child.kill();
    rmSync(folder, { recursive: true });
  }
  return rates;
}

const cases: readonly NamedCase[] = frameworks.map((framework) => ({
  name: `adapters ${framework}`,
  async run(bench) {
    const rates = await compare(framework);
    const report = (what: string, ours: Side, peer: Side): void =>
      bench.reportRounds({
        case: `adapters ${framework} ${what}`,
        unit: 'req/s',
        ours: rates[ours],
        peer: rates[peer],
        peer_name: `${framework} without the adapter`,
      });
    report('one hash and a look-up', 'least', 'bare');
    report('api-key', 'key', 'bare');
    report('service-signature', 'signature', 'bareSigned');
  },
}));

export default cases;
