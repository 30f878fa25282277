/** Keys are replaced while two servers are called all the time, and nobody who is in the right is refused. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { start } from '../../bench/proxies/start.ts';
import { createServiceClient, type ServiceClient } from '../../src/client/index.ts';
import { startProgram, type Program } from './program.ts';

/** COUNTERSIGN_SOAK: as a busy stack has it, and every kind of key killed at every step; otherwise each step once. */
const soak = process.env['COUNTERSIGN_SOAK'] !== undefined;
/** Requests a second to the two servers together. */
const rate = soak ? 500 : 60;
const masterKey = '3c'.repeat(32);
const underWayMax = 64;
/** Callers look at their key file once a second, and uses are written down every two seconds. */
const unusedFor = '4s';

interface Key {
  readonly id: string;
  readonly key: string;
  readonly service: string;
  readonly stage: string | null;
}

/** Each has a key of its own, whose rotation is killed behind the step. */
interface Caller {
  readonly service: string;
  readonly file: string;
  readonly kind: 'sk' | 'hs';
  readonly step: 'created' | 'known' | 'delivered' | 'finished';
}

const callers: readonly Caller[] = (['created', 'known', 'delivered', 'finished'] as const).flatMap((step, nth) =>
  (['sk', 'hs'] as const)
    .filter((_, kind) => soak || kind === nth % 2)
    .map((kind) => ({ service: `${kind}-${step}`, file: `${kind}-${step}.key`, kind, step })),
);

test('keys are replaced under load, killed at every step and taken up again, and nobody is refused', async (t) => {
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
  const env = { COUNTERSIGN_MASTER_KEY: masterKey };
  const first = await startProgram(t, { yaml, env });
  const database = join(first.folder, 'state.db');
  const second = await startProgram(t, { yaml, env, store: `sqlite:${database}` });
  for (const { service, file, kind } of callers) {
    const { key } = await json<Key>(first, ['keys', 'create', service, '--kind', kind]);
    writeFileSync(join(first.folder, file), key, { mode: 0o600 });
  }
  const began = performance.now();
  const load = callAll([first, second]);
  t.after(() => load.stop());
  await load.reached(rate);

  for (const caller of callers) await rotateUntilKilled(caller, first.folder, database);
  await load.reached(load.count() + rate);
  for (const { service, file, step } of callers) {
    const { already } = await resume(first, ['keys', 'rotate', service, '--to', join(first.folder, file)]);
    assert.equal(already, step === 'finished', `${service} after ${step}`);
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
  const left = await json<Key[]>(first, ['keys', 'list']);
  assert.deepEqual(
    left.map(({ service, stage }) => `${service} ${stage}`).sort(),
    callers.map(({ service }) => `${service} current`).sort(),
  );
});

async function json<T>(program: Program, args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await program.cli([...args, '--output', 'json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

async function rotateUntilKilled({ service, file, step }: Caller, folder: string, database: string): Promise<void> {
  const script = join(import.meta.dirname, '../fixtures/rotate-and-die.ts');
  const child = spawn(process.execPath, [script, database, service, join(folder, file), step], {
    env: { ...process.env, COUNTERSIGN_MASTER_KEY: masterKey },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL', `killed behind ${step}`);
}

/** For some seconds it cannot be told from a rotation that is still under way. */
async function resume(program: Program, args: readonly string[]): Promise<{ readonly already: boolean }> {
  for (;;) {
    const { code, stdout, stderr } = await program.cli([...args, '--output', 'json']);
    if (code === 0) return JSON.parse(stdout) as { already: boolean };
    assert.match(stderr, /the new one may be on its way\n.*Try again in a moment/);
    await sleep(2000);
  }
}

/** As an operator does: again and again, until it is no longer refused as in use. */
async function retireOld(program: Program): Promise<number> {
  const keys = await json<Key[]>(program, ['keys', 'list']);
  const old = keys.filter(({ stage }) => stage === 'previous');
  for (const { id } of old) {
    for (;;) {
      const { code, stderr } = await program.cli(['keys', 'retire', id, '--unused-for', unusedFor]);
      if (code === 0) break;
      assert.match(stderr, /was last used .* by/);
      await sleep(1000);
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

interface Load {
  readonly refusals: readonly string[];
  count(): number;
  /** Resolves when so many requests have been answered. */
  reached(count: number): Promise<void>;
  stop(): Promise<void>;
}

/** Every caller calls every server, evenly in time, whatever the answers. */
function callAll(programs: readonly Program[]): Load {
  const [{ folder }] = programs as [Program];
  const clients = programs.flatMap(({ origin }) =>
    callers.map((caller): ServiceClient =>
      createServiceClient({
        baseUrl: `${origin}/embeddings`,
        retries: 0,
        credential:
          caller.kind === 'sk'
            ? { kind: 'api-key', keyFile: join(folder, caller.file) }
            : { kind: 'http-signature', keyid: caller.service, keyFile: join(folder, caller.file) },
      }),
    ),
  );
  const refusals: string[] = [];
  const under = new Set<Promise<void>>();
  let [sent, answered, stopped] = [0, 0, false];

  async function call(client: ServiceClient): Promise<void> {
    try {
      const response = await client.fetch('/embed');
      const text = await response.text();
      if (response.status !== 200) refusals.push(`${response.status} ${text}`);
    } catch (error) {
      refusals.push(String(error));
    }
    answered += 1;
  }

  let due = 0;
  let before = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    due = Math.min(due, sent) + ((now - before) / 1000) * rate;
    before = now;
    // What a busy machine cannot send now is left out, and not piled up.
    for (; sent < due && under.size < underWayMax; sent += 1) {
      const one = call(clients[sent % clients.length] as ServiceClient).finally(() => under.delete(one));
      under.add(one);
    }
  }, 20);
  return {
    refusals,
    count: () => answered,
    async reached(count) {
      for (;;) {
        if (answered >= count || stopped) return;
        await sleep(20);
      }
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      clearInterval(timer);
      await Promise.all(under);
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}
