/**
 * A stack with 100,000 keys and 1,000,000 session tokens on a real Postgres and a real Redis of this machine, beside the same
 * stack with a thousand of each: how long the real program takes to be ready, how much memory it holds, what a look-up takes
 * that misses the memory, and what a decision costs. To stay below 5 s, 300 MiB and 2 ms at p99 on a machine that has nothing
 * else to do; and the cost of a decision is not to grow. Takes some minutes, most of them for filling the stores.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseConfig } from '../../src/compose/load/load.ts';
import { createStack } from '../../src/compose/stack.ts';
import type { Store } from '../../src/core/store.ts';
import { sha256Hex } from '../../src/crypto/digest.ts';
import { keyRecords, masterKey, onPostgres, onRedis, tokenText, type Filling } from '../filling.ts';
import { measure, median, type Bench, type NamedCase } from '../measure.ts';
import { requestWith } from '../request.ts';

const few = { keys: 1000, tokens: 1000 };
const many = { keys: 100_000, tokens: 1_000_000 };
const starts = 3;
const lookUps = 5000;
const env = { COUNTERSIGN_MASTER_KEY: masterKey };
const services = 'services:\n  embeddings: { upstream: http://127.0.0.1:9 }\n';

interface Started {
  readonly seconds: number;
  /** At its highest until then. */
  readonly mebibytes: number;
}

/** The real program, from its start until it says that it is ready. */
async function startOnce(url: string): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-scale-'));
  const file = join(folder, 'countersign.yaml');
  writeFileSync(file, `store: ${url}\nlisten: 127.0.0.1:0\nadminListen: 127.0.0.1:0\n${services}`, { mode: 0o600 });
  const countersign = fileURLToPath(new URL('../../bin/countersign', import.meta.url));
  const began = performance.now();
  const child = spawn(countersign, ['serve', '--config', file], {
    env: { ...env, PATH: process.env['PATH'] },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  try {
    let text = '';
    for await (const part of child.stderr.setEncoding('utf8')) {
      text += String(part);
      if (/^ready$/m.test(text)) break;
    }
    if (!/^ready$/m.test(text)) throw new Error(`serve did not start:\n${text}`);
    const seconds = (performance.now() - began) / 1000;
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
    return { seconds, mebibytes: Number(peak) / 1024 };
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  }
}

async function started(url: string): Promise<Started> {
  const all: Started[] = [];
  for (let run = 0; run < starts; run += 1) all.push(await startOnce(url));
  return { seconds: median(all.map((one) => one.seconds)), mebibytes: median(all.map((one) => one.mebibytes)) };
}

/** Milliseconds at the 99th percentile: one token after the other, none of them seen before. */
async function lookUpMillis(store: Store, count: number): Promise<number> {
  const samples: number[] = [];
  const step = Math.max(1, Math.floor(count / lookUps));
  for (let number = 0; number < count; number += step) {
    const tokenHash = sha256Hex(tokenText((number * 7919) % count));
    const began = performance.now();
    const record = await store.tokens.byHash(tokenHash);
    samples.push(performance.now() - began);
    if (record === null) throw new Error(`token ${number} is not there`);
  }
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length * 0.99)] ?? Number.NaN;
}

/** Decides about calls with one of the keys after the other. */
async function decider(store: Store, keys: readonly string[]): Promise<{ decide(): unknown; close(): Promise<void> }> {
  const config = parseConfig(`store: memory:\naudit: { log: false, rows: false }\n${services}`, {
    file: null,
    env: {},
  });
  const stack = await createStack({ config, env, store });
  let turn = 0;
  return {
    decide: () => stack.guard.decide(requestWith({ 'x-api-key': keys[(turn += 7919) % keys.length] ?? '' })),
    close: () => stack.close(),
  };
}

interface Filled {
  readonly filling: Filling;
  readonly count: typeof few;
}

/** A store of its own for each number, so that nothing but the number differs. */
async function scale(engine: string, open: () => Promise<Filling>, bench: Bench): Promise<void> {
  const small: Filled = { filling: await open(), count: few };
  try {
    const large: Filled = { filling: await open(), count: many };
    try {
      await compare(engine, small, large, bench);
    } finally {
      await large.filling.close();
    }
  } finally {
    await small.filling.close();
  }
}

async function compare(engine: string, small: Filled, large: Filled, bench: Bench): Promise<void> {
  const peerName = `the same with ${small.count.keys} keys and ${small.count.tokens} tokens`;
  const { records, keys } = keyRecords(large.count.keys);
  for (const { filling, count } of [small, large]) {
    bench.say(`filling ${engine} with ${count.keys} keys and ${count.tokens} tokens`);
    const began = performance.now();
    await filling.addKeys(records.slice(0, count.keys));
    await filling.addTokens(0, count.tokens);
    bench.say(`filled in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  }
  const measured = async ({ filling, count }: Filled) => ({
    ...(await started(filling.url)),
    millis: await lookUpMillis(filling.store, count.tokens),
  });
  const [peer, ours] = [await measured(small), await measured(large)];
  const rows = [
    ['start-up', 's', ours.seconds, peer.seconds],
    ['peak memory', 'MiB', ours.mebibytes, peer.mebibytes],
    ['look-up p99', 'ms', ours.millis, peer.millis],
  ] as const;
  for (const [what, unit, one, other] of rows)
    bench.report({ case: `scale ${engine} ${what}`, unit, ours: one, peer: other, peer_name: peerName, runs: starts });

  // The same callers on both sides: how many others there are is to make no difference to them.
  const callers = keys.slice(0, small.count.keys / 2);
  const [smallStack, largeStack] = [
    await decider(small.filling.store, callers),
    await decider(large.filling.store, callers),
  ];
  const timing = await measure({ ours: largeStack.decide, peer: smallStack.decide, peerName });
  bench.report({ case: `scale ${engine} decision`, unit: 'us/op', ...timing, peer_name: peerName });
  await smallStack.close();
  await largeStack.close();
}

const cases: readonly NamedCase[] = [
  { name: 'scale postgres', onlyNamed: true, run: (bench) => scale('postgres', onPostgres, bench) },
  { name: 'scale redis', onlyNamed: true, run: (bench) => scale('redis', onRedis, bench) },
];

export default cases;
