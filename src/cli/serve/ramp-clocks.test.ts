/** Ramps and modes where those who order and those who look have clocks that differ. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { orderRamp, startRamp } from '../../compose/ramps/ramp-control.ts';
import { parseConfig } from '../../compose/load/load.ts';
import { parseRampPlan, rampGround } from '../../compose/ramps/ramp-file.ts';
import { createStack } from '../../compose/stack.ts';
import { changeRamp, storedRamp } from '../../rollout/ramp/record.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { rampDuties } from './ramp-duties.ts';
import { requestWith } from '../../../test/fixtures/asked.ts';

const config = parseConfig(
  `mode: report
services: { npu: { upstream: http://127.0.0.1:9001, routes: [{ path: /run }] } }
`,
  { file: null, env: { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) } },
);
const start = 1_800_000_000;
const day = 86_400;

/** A server whose clock is right, and a ramp that somebody started whose clock is ahead by so many seconds. */
async function place(t: TestContext, ahead: number, soak = '1m') {
  const store = memoryStore();
  const time = { now: start };
  const clock = (): number => time.now;
  const stack = await createStack({ config, env: {}, store, clock });
  t.after(() => stack.close());
  const duties = rampDuties(stack, { say: () => undefined, warn: () => undefined, lookMillis: day * 1000 });
  t.after(() => duties.close());
  const yaml = `minSamples: 1\nsoak: ${soak}\nconsecutiveSuccessLimit: 1\nsteps: [{ routes: [npu/run] }, { routes: [npu/*] }]\n`;
  const plan = parseRampPlan(yaml, null, rampGround(config, start));
  await startRamp({ config, store, clock: () => start + ahead, modes: stack.modes }, plan, 'cli:ahead');
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  await settled();
  return {
    store,
    stack,
    time,
    clock,
    settled,
    state: async () => (await storedRamp(store.records, time.now)) ?? assert.fail('no ramp'),
    async minute(): Promise<void> {
      const row = decisionRow(0, { service: 'npu', route: '/run', mode: 'enforce' });
      await store.decisions.append([{ ...row, time: time.now + 1 }]);
      time.now += 60;
      await duties.look();
      await settled();
    },
    /** Whether somebody without a credential is refused. */
    async refuses(): Promise<boolean> {
      const { outcome } = await stack.guard.decide(
        requestWith({ target: '/npu/run', path: '/run', service: 'npu', requestId: crypto.randomUUID() }),
      );
      return outcome === 'deny';
    },
  };
}

test('report for everything takes back a ramp that was started by a clock ahead, and a later order counts again', async (t) => {
  const { store, stack, clock, settled, refuses } = await place(t, 120);
  assert.equal(await refuses(), true);
  await stack.modes.setAll('report', 'operator:cli');
  assert.equal(await refuses(), false);
  const behind = { store, clock: () => clock() - 60 };
  await orderRamp(behind, 'pause', { why: null });
  await orderRamp(behind, 'resume', { why: null });
  await settled();
  assert.equal(await refuses(), true);
  await stack.modes.set('npu/run', 'report', 'operator:cli');
  assert.equal(await refuses(), false);
});

test('a clock that jumped ahead while it looked at a ramp does not hold it up when it is right again', async (t) => {
  const { store, clock, state, minute } = await place(t, 0);
  const jumped = { lookedAt: start + day, since: start + day };
  assert.ok(await changeRamp(store.records, clock, (now) => now && { ...now, ...jumped }));
  await minute();
  assert.ok((await state()).lookedAt <= start + 60);
  for (let count = 0; count < 4; count += 1) await minute();
  assert.equal((await state()).status, 'finished');
});

test('time that nobody looked is not time that a step was watched, be it a clock that jumped ahead', async (t) => {
  const { time, state, minute } = await place(t, 0, '30m');
  for (let count = 0; count < 5; count += 1) await minute();
  for (let jumps = 0; jumps < 3; jumps += 1) {
    time.now += 900;
    await minute();
  }
  // Back again: the last look lies ahead of it.
  time.now -= 2700;
  await minute();
  assert.deepEqual([(await state()).step, (await state()).successes], [0, 9]);
  for (let count = 9; count < 40; count += 1) await minute();
  assert.equal((await state()).step, 1);
});

test('what a ramp from before was watched for counts', async (t) => {
  const { store, clock, time, state, minute } = await place(t, 0, '30m');
  time.now += 1760;
  const before = { lookedAt: time.now, watchedSeconds: undefined };
  assert.ok(await changeRamp(store.records, clock, (now) => now && { ...now, ...before }));
  await minute();
  assert.equal((await state()).step, 1);
});
