import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { JsonValue } from '../../core/record.ts';
import type { Store } from '../../core/store.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { until } from '../../../test/fixtures/until.ts';
import { rampPlan } from './ramp.fixtures.ts';
import { ramp } from './ramp.ts';
import { changeRamp } from './record.ts';
import { started } from './state.ts';

const now = 1_800_000_000;
const whole = started(rampPlan(), 'salt', 'operator:test', now);

function open(store: Store, warnings: string[] = []) {
  return ramp({
    store,
    clock: () => now,
    modes: { version: () => 1, loweredAt: () => null },
    isOurs: () => true,
    onRolledBack: assert.fail,
    onWarning: (text) => warnings.push(text),
  });
}

/** A running server, on a store that has the ramp. */
async function holding(t: TestContext, warnings: string[]) {
  const store = memoryStore();
  await changeRamp(
    store.records,
    () => now,
    () => whole,
  );
  const held = await open(store, warnings);
  t.after(() => held.close());
  return { store, held };
}

async function put(store: Store, value: unknown): Promise<void> {
  const before = await store.records.get('ramp', 'current', now);
  const entry = { kind: 'ramp', id: 'current', value: value as JsonValue, expiresAt: null };
  await store.records.put(entry, before?.revision ?? null, now);
}

const { plan, ...headless } = whole;
const odd: Readonly<Record<string, unknown>> = {
  'of a later version': { ...whole, version: 2 },
  'begun only': { version: 1, status: 'running', steps: ['enforced'] },
  'without a plan': headless,
  'without gates': { ...whole, plan: { ...plan, gates: null } },
  'with a step that names no routes': { ...whole, plan: { ...plan, steps: [{ routes: '*' }] } },
  'with fewer steps than planned': { ...whole, steps: [] },
  'at a step that is not there': { ...whole, step: 7 },
  'with a step that is misspelt': { ...whole, steps: ['Enforced'] },
  null: null,
  'of words': 'enforced',
};

for (const [name, value] of Object.entries(odd)) {
  test(`a ramp ${name} is another program's: no server begins with it, and a running one keeps its own`, async (t) => {
    const warnings: string[] = [];
    const { store, held } = await holding(t, warnings);
    const before = held.state();
    await put(store, value);
    await until(() => warnings.length > 0);
    assert.match(warnings[0] ?? '', /cannot be read: the ramp in the store .* stays as it was$/);
    assert.deepEqual(held.state(), before);
    await assert.rejects(open(store), { code: 'ramp_unreadable' });
  });
}

test('a ramp from before there was a gate, or with what a later version adds, is read', async (t) => {
  const { answerMicros: _, ...gates } = plan.gates;
  const value = { ...whole, more: 1, plan: { ...plan, gates } };
  const store = memoryStore();
  await put(store, value);
  const held = await open(store);
  t.after(() => held.close());
  assert.deepEqual(held.state(), value);
});

test('a ramp that the store has lost is told of, once', async (t) => {
  const warnings: string[] = [];
  const { store, held } = await holding(t, warnings);
  const lost = await store.records.get('ramp', 'current', now);
  await store.records.remove('ramp', 'current', lost?.revision ?? '', now);
  await until(() => held.state() === null);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', new RegExp(`^the ramp ${whole.plan.name} is gone from the store`));
});
