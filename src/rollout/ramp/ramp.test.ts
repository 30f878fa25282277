import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { probeRequestId } from '../../core/probe.ts';
import type { AuthRequest } from '../../core/request.ts';
import { unruledRoute } from '../../core/route-table.ts';
import { allow, deny, type Denied } from '../../core/verdict.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { cohort } from './cohort.ts';
import type { RampPlan, RampStep } from './plan.ts';
import { rampPlan, rampStep } from './ramp.fixtures.ts';
import { ramp } from './ramp.ts';
import { changeRamp } from './record.ts';
import { started, type StepStatus } from './state.ts';

const now = 1_800_000_000;
const place = cohort('salt');

/** Somebody of the callers between two places. */
function callerBetween(least: number, most: number): string {
  for (let number = 0; ; number += 1) {
    const id = `service:caller-${number}`;
    if (place(id) >= least && place(id) < most) return id;
  }
}

type Step = Partial<RampStep> & { status: StepStatus };

/** A ramp as far as its steps say. */
async function rampOf(t: TestContext, ...steps: readonly Step[]) {
  return rampWith(t, {}, ...steps);
}

type Rest = NonNullable<Parameters<typeof rampPlan>[0]>;

async function rampWith(t: TestContext, rest: Rest, ...steps: readonly Step[]) {
  const store = memoryStore();
  const clock = (): number => now;
  const rolledBack: number[] = [];
  await changeRamp(store.records, clock, () => ({
    ...started(rampPlan({ ...rest, steps: steps.map(rampStep) }), 'salt', 'operator:test', now),
    steps: steps.map(({ status }) => status),
    step: steps.length - 1,
  }));
  const held = await ramp({
    store,
    clock,
    modes: { version: () => 1, loweredAt: () => null },
    isOurs: () => true,
    onRolledBack: (_, step) => rolledBack.push(step),
    onWarning: assert.fail,
  });
  t.after(() => held.close());
  const request = { remoteAddress: '192.0.2.7', requestId: 'one' } as AuthRequest;
  const expired = (id: string): Denied => deny('expired', 'it has ended', { caller: { id, proven: true } });
  return {
    /** Whether a known caller who shows a key that has ended is refused, and which steps were rolled back since the start. */
    async refuses(id: string, service: string, requestId = 'one') {
      const isRefused = held.enforcedFor(expired(id), { ...request, requestId }, unruledRoute(service));
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      return [isRefused, rolledBack.map((step) => step + 1)];
    },
    /** The same of one who only claims the name. */
    async refusesClaim(id: string, service: string) {
      const claimed = deny('invalid_signature', 'not that key', { caller: { id, proven: false } });
      const isRefused = held.enforcedFor(claimed, request, unruledRoute(service));
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      return [isRefused, rolledBack.map((step) => step + 1)];
    },
    /** Of what was let pass while nobody was asked. */
    enforcedUnasked: (service: string): boolean => held.enforcedFor(null, request, unruledRoute(service)),
    enforced: (id: string, service: string): boolean =>
      held.enforcedFor(
        allow({ id, scheme: 'api-key', credentialId: '', scopes: [], expiresAt: null, addresses: null }),
        request,
        unruledRoute(service),
      ),
  };
}

const canary: Step = { routes: ['canary/*'], status: 'passed' };
const tenth: Step = { routes: ['*'], callersPercent: 10, status: 'enforced' };

test('who is refused where a step has passed undoes neither it nor the next one over the same route', async (t) => {
  const { refuses } = await rampOf(t, canary, tenth);
  assert.deepEqual(
    await refuses(callerBetween(10, 100), 'canary'),
    [true, []],
    'not among the callers of the next step',
  );
  assert.deepEqual(await refuses(callerBetween(0, 10), 'canary'), [true, []], 'among them');
  assert.deepEqual(await refuses(callerBetween(10, 100), 'embeddings'), [false, []]);
  assert.deepEqual(await refuses(callerBetween(0, 10), 'embeddings'), [false, [2]]);
  assert.deepEqual(await refuses(callerBetween(0, 10), 'canary'), [true, [2]], 'as before the next step');
});

test('a step for more callers is rolled back by those whom it added', async (t) => {
  const { refuses, enforced } = await rampOf(
    t,
    { ...canary, callersPercent: 40 },
    { routes: ['canary/*'], status: 'enforced' },
  );
  assert.deepEqual(await refuses(callerBetween(0, 40), 'canary'), [true, []]);
  assert.deepEqual(await refuses(callerBetween(40, 100), 'canary'), [false, [2]]);
  assert.equal(enforced(callerBetween(0, 40), 'canary'), true);
  assert.equal(enforced(callerBetween(40, 100), 'canary'), false);
});

test('of two steps that are tried the newest that refuses the caller is rolled back', async (t) => {
  const { refuses } = await rampOf(t, { ...canary, callersPercent: 40, status: 'enforced' }, tenth);
  assert.deepEqual(await refuses(callerBetween(0, 10), 'canary'), [false, [2]]);
  assert.deepEqual(await refuses(callerBetween(10, 40), 'canary'), [false, [2, 1]]);
});

test('what an operator asks is answered as it would be, and undoes nothing; what anybody asks does', async (t) => {
  const { refuses } = await rampOf(t, { routes: ['canary/*'], status: 'enforced' });
  const known = callerBetween(0, 100);
  assert.deepEqual(await refuses(known, 'canary', probeRequestId('one', 'operator')), [true, []]);
  assert.deepEqual(await refuses(known, 'canary', probeRequestId('one', 'anybody')), [false, [1]]);
});

const all: Step = { routes: ['*'], status: 'enforced' };

test('a false claim of a known name takes a step back, unless the plan ignores claims', async (t) => {
  const counting = await rampWith(t, { gates: { claims: 'count' } }, all);
  assert.deepEqual(await counting.refusesClaim('service:web', 'canary'), [false, [1]]);
  const ignoring = await rampWith(t, { gates: { claims: 'ignore' } }, all);
  assert.deepEqual(await ignoring.refusesClaim('service:web', 'canary'), [true, []]);
  assert.deepEqual(await ignoring.refuses('service:web', 'canary'), [false, [1]], 'what is proven is no claim');
});

test('nobody is exempt by claiming the name of one who is', async (t) => {
  const exempt: RampPlan['exempt'] = [
    { caller: 'service:old', addresses: [], routes: ['*'], until: now + 60, owner: 'ops', reason: 'replaced soon' },
  ];
  const held = await rampWith(t, { exempt, gates: { claims: 'ignore' } }, all);
  assert.deepEqual(await held.refusesClaim('service:old', 'canary'), [true, []]);
  assert.deepEqual(await held.refuses('service:old', 'canary'), [false, []], 'who proves it is');
});

test('what passed while nobody was asked is held to a step for everybody, and undoes nothing', async (t) => {
  const some = await rampOf(t, canary, { routes: ['*'], callersPercent: 99, status: 'enforced' });
  assert.equal(some.enforcedUnasked('canary'), true);
  assert.equal(some.enforcedUnasked('embeddings'), false);
  const everybody = await rampOf(t, all);
  assert.equal(everybody.enforcedUnasked('embeddings'), true);
  const exempt: RampPlan['exempt'] = [
    { caller: null, addresses: ['192.0.2.0/24'], routes: ['*'], until: now + 60, owner: 'ops', reason: 'devices' },
  ];
  const without = await rampWith(t, { exempt }, all);
  assert.equal(without.enforcedUnasked('embeddings'), false);
});
