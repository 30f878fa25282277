/**
 * `npm run soak`: sends 1,000,000 requests through the gateway, log lines and rows included, and fails when its memory
 * grows. Memory is sampled after a collection; the medians of the second and the last quarter are compared, since the
 * first quarter fills caches that are bounded.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'undici';
import { median } from './measure.ts';
import { start, startGateway, type Started } from './proxies/start.ts';

const total = Number(process.argv[2] ?? 1_000_000);
const concurrency = 64;
const samplesWanted = 40;
/** What a collector may leave lying about from one sample to the next. */
const growthMax = 1.1;
const growthBytesMax = 8 * 1024 * 1024;

interface Memory {
  readonly rss: number;
  readonly heap: number;
}

const folder = await mkdtemp(join(tmpdir(), 'countersign-soak-'));
const upstream = await start('upstream.ts', []);
const gateway = await startGateway(upstream.url, folder, 'full', ['--expose-gc']);
try {
  process.exitCode = (await soak(gateway)) ? 0 : 1;
} finally {
  await gateway.stop();
  await upstream.stop();
  await rm(folder, { recursive: true, force: true });
}

async function soak({ url, key, child }: Started): Promise<boolean> {
  const pool = new Pool(url, { connections: concurrency, pipelining: 1 });
  const headers = { authorization: `Bearer ${key}` };
  const samples: Memory[] = [];
  const began = performance.now();
  let failures = 0;

  async function caller(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += 1) {
      // One in fifty is refused, so that refusals are soaked too.
      const refused = sent % 50 === 49;
      const { statusCode, body } = await pool.request({
        path: '/bench/embed',
        method: 'GET',
        headers: refused ? {} : headers,
      });
      await body.dump();
      if (statusCode !== (refused ? 401 : 200)) failures += 1;
    }
  }

  async function memory(): Promise<Memory> {
    const answer = once(child, 'message');
    child.send('memory');
    return ((await answer) as [Memory])[0];
  }

  const each = Math.ceil(total / samplesWanted / concurrency);
  for (let sample = 0; sample < samplesWanted; sample += 1) {
    await Promise.all(Array.from({ length: concurrency }, () => caller(each)));
    samples.push(await memory());
    const last = samples.at(-1) as Memory;
    process.stderr.write(
      `${(sample + 1) * each * concurrency} requests: rss ${mib(last.rss)}, heap ${mib(last.heap)}\n`,
    );
  }
  await pool.close();

  const quarter = samplesWanted / 4;
  const result = {
    requests: samplesWanted * each * concurrency,
    failures,
    seconds: Math.round((performance.now() - began) / 1000),
    rss: growth(
      samples.map(({ rss }) => rss),
      quarter,
    ),
    heap: growth(
      samples.map(({ heap }) => heap),
      quarter,
    ),
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return failures === 0 && result.rss.flat && result.heap.flat;
}

function growth(samples: readonly number[], quarter: number): { second: string; last: string; flat: boolean } {
  const second = median(samples.slice(quarter, 2 * quarter));
  const last = median(samples.slice(-quarter));
  return { second: mib(second), last: mib(last), flat: last <= second * growthMax || last - second <= growthBytesMax };
}

function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
