/** Keys are replaced while two servers are called all the time, and nobody who is in the right is refused. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { start } from '../../bench/proxies/start.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { Store } from '../../src/core/store.ts';
import { redisStore } from '../../src/stores/redis/store.ts';
import { cliHere } from '../fixtures/cli-here.ts';
import { forThisFile, startRedis } from '../fixtures/databases.ts';
import { startLoad } from '../fixtures/key-load.ts';
import { tcpRelay } from '../fixtures/tcp-relay.ts';
import { until } from '../fixtures/until.ts';
import { cleanEnvironment, startProgram, type Program } from './program.ts';

const redis = await forThisFile('keys are replaced under load on Redis', () =>
  startRedis(undefined, { appendonly: 'no' }),
);

/** COUNTERSIGN_SOAK: as a busy stack has it, and every kind of key killed at every step; otherwise each step once. */
const soak = process.env['COUNTERSIGN_SOAK'] !== undefined;
/** Requests a second to the two servers together. */
const rate = soak ? 500 : 60;
const masterKey = '3c'.repeat(32);
/** Callers look at their key file once a second, and uses are written down every two seconds. */
const unusedFor = '4s';
const binary = join(import.meta.dirname, '../../bin/countersign');
const env = { COUNTERSIGN_MASTER_KEY: masterKey };

/**
 * Where `keys rotate` is killed: the new key is in the store, its file is being written, it is in the file, it is the current one.
 * In the first and the second nobody has it; in the last only the command does not know that all is done.
 */
type Mark = 'created' | 'delivering' | 'delivered' | 'finished';

/** Each has a key of its own, whose rotation is killed at the mark. */
interface Caller {
  readonly service: string;
  readonly file: string;
  readonly kind: 'sk' | 'hs';
  readonly mark: Mark;
}

const callers: readonly Caller[] = (['created', 'delivering', 'delivered', 'finished'] as const).flatMap((mark, nth) =>
  (['sk', 'hs'] as const)
    .filter((_, kind) => soak || kind === nth % 2)
    .map((kind) => ({ service: `${kind}-${mark}`, file: `${kind}-${mark}.key`, kind, mark })),
);

if (redis)
  test('keys are replaced under load, the command killed at every step and called again, and nobody is refused', async (t) => {
    // In a process of its own, so that the load cannot starve it.
    const upstream = await start('upstream.ts', []);
    t.after(() => upstream.stop());
    const names = `[${callers.map(({ service }) => service).join(', ')}]`;
    const yaml = `mode: enforce
callers: ${names}
services:
  embeddings:
    upstream: ${upstream.url}
    routes: [{ path: /embed, callers: ${names} }]
`;
    const place = { yaml, env, store: redis.url };
    const [first, second] = [await startProgram(t, place), await startProgram(t, place)];
    for (const { service, file, kind } of callers) {
      const { key } = await json<{ key: string }>(first, ['keys', 'create', service, '--kind', kind]);
      writeFileSync(join(first.folder, file), key, { mode: 0o600 });
    }
    const store = redisStore({ url: redis.url });
    t.after(() => store.close());
    const began = performance.now();
    const origins = [first.origin, second.origin];
    const load = startLoad({ origins, folder: first.folder, callers, rate });
    t.after(() => load.stop());
    await load.reached(rate);

    for (const caller of callers) {
      await killedRotation(t, caller, first.folder, store);
      if (!soak || caller !== callers.at(-1)) await endLease(store);
    }
    await load.reached(load.count() + rate);
    for (const { service, file, mark } of callers) {
      const { already } = await resume(first, ['keys', 'rotate', service, '--to', join(first.folder, file)]);
      assert.equal(already, mark === 'finished', `${service} killed when its key was ${mark}`);
    }
    const replaced = await retireOld(second);
    assert.ok(replaced >= callers.length, `${replaced} keys were replaced and are out of use`);
    await load.reached(load.count() + rate);
    await load.stop();

    const perSecond = Math.round(load.count() / ((performance.now() - began) / 1000));
    t.diagnostic(
      `${load.count()} requests, ${perSecond} a second of ${rate}, ${callers.length} rotations, each killed once`,
    );
    assert.deepEqual(load.refusals, []);
    const totals = await decided(first, load.count());
    assert.equal(totals.denied, 0, 'nor was one refused that a client tried again');
    const left = await json<{ service: string; stage: string }[]>(first, ['keys', 'list']);
    assert.deepEqual(
      left.map(({ service, stage }) => `${service} ${stage}`).sort(),
      callers.map(({ service }) => `${service} current`).sort(),
    );
  });

function cli({ folder }: Program, args: readonly string[]) {
  return cliHere([...args, '--config', join(folder, 'countersign.yaml')], { cwd: folder, env });
}

async function json<T>(program: Program, args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(program, [...args, '--output', 'json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

/**
 * The real command, ended by SIGKILL while it works. It speaks to the store over a wire on which the next order, or the answer to
 * it, is kept back, so that it cannot have gone further than the mark when the signal comes.
 */
async function killedRotation(t: TestContext, { service, file, mark }: Caller, folder: string, store: Store) {
  const wire = await tcpRelay(t, redis?.port ?? 0);
  // The order that makes the new key.
  wire.holdBehind('"pending":true');
  const url = new URL(redis?.url ?? '');
  url.port = String(wire.port);
  const configuration = join(folder, 'over-the-wire.yaml');
  writeFileSync(configuration, `store: ${url.href}\nservices: { embeddings: { upstream: http://127.0.0.1:9 } }\n`);
  const key = join(folder, file);
  const before = readFileSync(key, 'utf8');
  const drafts = new Set<string>();
  const watched = watch(folder, (_event, name) => void (name?.startsWith(`.${file}.`) && drafts.add(name)));
  t.after(async () => watched.close());
  const child = spawn(binary, ['keys', 'rotate', service, '--to', key, '--config', configuration], {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  const early = ended.then(([code]) =>
    Promise.reject(new Error(`keys rotate ended with ${code} before it was ${mark}`)),
  );
  early.catch(() => undefined);
  const seen = (look: () => Promise<boolean> | boolean) => Promise.race([until(look), early]);
  const isPending = async (): Promise<boolean> =>
    (await store.keys.list()).some((record) => record.service === service && record.pending);

  await seen(isPending);
  // The first was tried before a key was made, to see whether the file could be written at all.
  if (mark === 'delivering') await seen(() => drafts.size > 1);
  if (mark === 'delivered' || mark === 'finished') await seen(() => readFileSync(key, 'utf8') !== before);
  if (mark === 'finished') {
    wire.holdAnswers();
    await seen(async () => !(await isPending()));
  }
  child.kill('SIGKILL');
  assert.equal((await ended)[1], 'SIGKILL');
}

/** What a killed command held runs out in twenty seconds. The soak waits for that once, as an operator would. */
async function endLease({ records }: Store): Promise<void> {
  const lease = await records.get('lease', 'rotation', systemClock());
  assert.ok(lease, 'a rotation that was killed still holds the lease');
  await records.remove('lease', 'rotation', lease.revision, systemClock());
}

/** For some seconds it cannot be told from a rotation that is still under way. */
async function resume(program: Program, args: readonly string[]): Promise<{ readonly already: boolean }> {
  for (;;) {
    const { code, stdout, stderr } = await cli(program, [...args, '--output', 'json']);
    if (code === 0) return JSON.parse(stdout) as { already: boolean };
    assert.match(stderr, /the new one may be on its way\n.*Try again in a moment/);
    await sleep(500);
  }
}

/** As an operator does: again and again, until it is no longer refused as in use. */
async function retireOld(program: Program): Promise<number> {
  const keys = await json<{ id: string; stage: string }[]>(program, ['keys', 'list']);
  const old = keys.filter(({ stage }) => stage === 'previous');
  for (const { id } of old) {
    for (;;) {
      const { code, stderr } = await cli(program, ['keys', 'retire', id, '--unused-for', unusedFor]);
      if (code === 0) break;
      assert.match(stderr, /was last used .* by/);
      await sleep(500);
    }
  }
  return old.length;
}

/** Decisions are written behind the requests. */
async function decided(program: Program, requests: number): Promise<{ readonly denied: number }> {
  for (;;) {
    const totals = await json<{ requests: number; denied: number }>(program, ['report']);
    if (totals.requests >= requests) return totals;
    await sleep(500);
  }
}
