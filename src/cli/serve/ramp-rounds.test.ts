/** What a server does about a ramp by itself, minute by minute, with a clock that a test turns. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { lease } from '../../core/lease.ts';
import { createKey } from '../../keys/create.ts';
import type { DecisionRow } from '../../core/store.ts';
import { changeRamp, storedRamp } from '../../rollout/ramp/record.ts';
import { paused, promoted, started, type RampState } from '../../rollout/ramp/state.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { parseConfig } from '../../compose/load/load.ts';
import { rampDuties } from './ramp-duties.ts';
import { parseRampPlan, rampGround } from '../../compose/ramps/ramp-file.ts';
import { createStack } from '../../compose/stack.ts';

/** Longer than a test takes: what is looked at, the tests look at. */
const never = 86_400_000;

const config = parseConfig(
  `mode: report
services: { npu: { upstream: http://127.0.0.1:9001, routes: [{ path: /run }] } }
`,
  { file: null, env: { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) } },
);

async function server(t: TestContext, plan: string) {
  const store = memoryStore();
  const time = { now: 1_800_000_000 };
  const clock = (): number => time.now;
  const stack = await createStack({ config, env: {}, store, clock });
  t.after(() => stack.close());
  const duties = rampDuties(stack, { say: () => undefined, warn: () => undefined, lookMillis: never });
  t.after(() => duties.close());
  const written = parseRampPlan(plan, null, rampGround(config, time.now));
  await changeRamp(store.records, clock, () => started(written, 'salt', 'operator:test', time.now));
  await settled();
  const state = async (): Promise<RampState> => (await storedRamp(store.records, time.now)) ?? assert.fail('no ramp');
  return {
    store,
    stack,
    time,
    clock,
    state,
    /** A minute in which so many requests were allowed, and others came to something else; and then a look. */
    async minute(allowed: number, others: readonly Partial<DecisionRow>[] = []): Promise<RampState> {
      const seen = { service: 'npu', route: '/run', mode: 'enforce' } as const;
      const rows = [...Array.from({ length: allowed }, () => ({})), ...others];
      await store.decisions.append(rows.map((row) => ({ ...decisionRow(0, { ...seen, ...row }), time: time.now + 1 })));
      time.now += 60;
      await duties.look();
      await settled();
      return state();
    },
    async look(): Promise<RampState> {
      await duties.look();
      await settled();
      return state();
    },
    async events(): Promise<string[]> {
      const rows = await store.events.list('events', { limit: 100 });
      return rows.map(({ type }) => type).filter((type) => type.startsWith('ramp.'));
    },
  };
}

/** Changes are heard in turns of the event loop. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const steps = 'steps: [{ routes: [npu/*], soak: 1m }, { routes: [npu/*], soak: 1m }]\n';
const late = { principal: '', claimed: 'service:npu', reason: 'timestamp_outside_window' } as const;

test('the gates must say yes so often in a row, and one that cannot tell begins the row anew', async (t) => {
  const { minute } = await server(t, `minSamples: 1\nconsecutiveSuccessLimit: 3\n${steps}`);
  const next = { ...late, outcome: 'would_deny' } as const;
  await minute(5);
  await minute(5);
  const unsure = await minute(5, [next]);
  assert.deepEqual([unsure.successes, unsure.inconclusive], [0, 1]);
});

test('a limit of looks that cannot tell is of looks in a row', async (t) => {
  const { minute } = await server(t, `minSamples: 3\nconsecutiveSuccessLimit: 9\ninconclusiveLimit: 3\n${steps}`);
  assert.equal((await minute(1)).inconclusive, 1);
  assert.equal((await minute(1)).inconclusive, 2);
  const sure = await minute(5);
  assert.deepEqual([sure.status, sure.inconclusive, sure.successes], ['running', 0, 1]);
});

test('the gates are asked once an interval, whoever looks how often', async (t) => {
  const { minute, look, time } = await server(t, `minSamples: 1\n${steps}`);
  const first = await minute(5);
  time.now += 59;
  assert.deepEqual(await look(), first);
  time.now += 1;
  assert.equal((await look()).lookedAt, first.lookedAt + 60);
});

test('a step that is promoted by hand waits for the hand, and says so', async (t) => {
  const plan = 'steps: [{ routes: [npu/*], soak: 1m, promote: manual }, { routes: [npu/*] }]\n';
  const { minute, store, clock, time } = await server(t, `minSamples: 1\nconsecutiveSuccessLimit: 1\n${plan}`);
  for (let passed = 0; passed < 5; passed += 1) {
    const { status, step, findings } = await minute(5);
    assert.deepEqual([status, step], ['running', 0]);
    assert.match(findings.join(), /waits for: countersign ramp promote$/);
  }
  await changeRamp(store.records, clock, (now) => now && promoted(now, time.now, true));
  assert.equal((await minute(5)).step, 1);
});

test('one server looks at a time, and another goes on where it is killed', async (t) => {
  const { minute, look, store, time } = await server(t, `minSamples: 1\n${steps}`);
  const other = lease({ records: store.records, name: 'ramp', holder: 'another server', seconds: 15 });
  assert.equal(await other.take(time.now + 60), true);
  const before = await minute(5);
  assert.equal(before.lookedAt, before.since, 'the other has the lease');
  time.now += 16;
  assert.equal((await look()).lookedAt, time.now);
});

test('a gate that says no takes the step back, and what happened is in the audit', async (t) => {
  const { minute, events } = await server(t, `minSamples: 1\ninconclusiveLimit: 1\n${steps}`);
  const refused = { ...late, outcome: 'deny' } as const;
  assert.equal((await minute(5, [refused])).status, 'withdrawn');
  assert.deepEqual(await events(), ['ramp.rolled_back']);
});

test('a ramp that pauses by itself is in the audit', async (t) => {
  const { minute, events } = await server(t, `minSamples: 1\ninconclusiveLimit: 1\n${steps}`);
  assert.equal((await minute(0)).status, 'paused');
  assert.deepEqual(await events(), ['ramp.paused']);
});

test('claims of a known name fail a step, unless they are ignored', async (t) => {
  const refused = { ...late, outcome: 'deny' } as const;
  const { minute } = await server(t, `minSamples: 1\ngates: { claims: ignore }\n${steps}`);
  const { status, successes } = await minute(5, [refused]);
  assert.deepEqual([status, successes], ['running', 1]);
});

test('a last key that ends before the step does holds it', async (t) => {
  const { minute, store, stack, time } = await server(t, 'minSamples: 1\nsteps: [{ routes: [npu/*], soak: 30m }]\n');
  const order = { service: 'web', kind: 'sk', now: time.now } as const;
  await createKey(store, stack.seal, { ...order, expiresAt: time.now + 1700 });
  const held = await minute(5);
  assert.equal(held.successes, 0);
  assert.match(held.findings.join(), /^the last key of web, .* ends .*: countersign keys rotate \w+$/);
  await createKey(store, stack.seal, { ...order, expiresAt: time.now + 86_400 });
  assert.equal((await minute(5)).successes, 1);
});

for (const [what, status, wanted, words = ''] of [
  ['well', 204, 'running'],
  ['not well', 503, 'withdrawn', 'it answers 503'],
  ['elsewhere by now', 302, 'withdrawn', 'it answers 302'],
  ['gone', null, 'withdrawn', 'it does not answer (connect ECONNREFUSED'],
] as const)
  test(`a health address that is ${what}: ${wanted}`, async (t) => {
    const health = createServer((_, res) => res.writeHead(status ?? 200, { location: '/' }).end()).listen(
      0,
      '127.0.0.1',
    );
    await once(health, 'listening');
    const url = `http://127.0.0.1:${(health.address() as AddressInfo).port}/health`;
    if (status === null) health.close();
    else t.after(() => health.close());
    const { minute } = await server(t, `minSamples: 1\ngates: { health: '${url}' }\n${steps}`);
    const found = await minute(5);
    assert.equal(found.status, wanted, found.findings.join());
    if (wanted === 'withdrawn') assert.ok(found.findings.join().startsWith(`${url}: ${words}`), found.findings.join());
  });

test('what an operator orders while the gates are asked is not undone by what they say', async (t) => {
  const health = createServer((_, res) => {
    void changeRamp(given.store.records, given.clock, (now) => now && paused(now, ['by hand'])).then(() => res.end());
  }).listen(0, '127.0.0.1');
  await once(health, 'listening');
  t.after(() => health.close());
  const url = `http://127.0.0.1:${(health.address() as AddressInfo).port}/health`;
  const given = await server(t, `minSamples: 1\nconsecutiveSuccessLimit: 1\ngates: { health: '${url}' }\n${steps}`);
  const { status, step, findings } = await given.minute(5);
  assert.deepEqual([status, step, findings], ['paused', 0, ['by hand']]);
});
