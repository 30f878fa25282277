/** The whole rollout with a clock of its own: soaks of half an hour take no time, and everything else is as it is. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { report } from '../../audit/report/report.ts';
import type { Decision } from '../../core/decision.ts';
import type { Store } from '../../core/store.ts';
import { createKey } from '../../keys/create.ts';
import { revokeKey } from '../../keys/revoke.ts';
import { cohort } from '../../rollout/ramp/cohort.ts';
import { changeRamp, storedRamp } from '../../rollout/ramp/record.ts';
import { paused, promoted, resumed, rolledBack, started, type RampState } from '../../rollout/ramp/state.ts';
import { signServiceRequest } from '../../schemes/service-signature/index.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { hasKeyIn } from '../../compose/ramps/known-callers.ts';
import { parseConfig } from '../../compose/load/load.ts';
import { rampDuties } from './ramp-duties.ts';
import { parseRampPlan, rampGround } from '../../compose/ramps/ramp-file.ts';
import { judgementOf } from '../../compose/ramps/ramp-judgement.ts';
import { createStack, type Stack } from '../../compose/stack.ts';
import { requestWith } from '../../../test/fixtures/asked.ts';

const env = { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) };
const names = ['embeddings', 'coordinator', 'npu', 'browser', 'llm', 'memory'] as const;
const text = `mode: report
callers: [web, late, old]
services:
${names.map((name) => `  ${name}: { upstream: http://127.0.0.1:9001, routes: [{ path: /run }] }`).join('\n')}
`;
const plan = `name: six services
soak: 30m
steps:
  - { routes: [embeddings/*, coordinator/*] }
  - { routes: [npu/*] }
  - { routes: [browser/*, llm/*] }
  - { routes: [memory/*] }
`;

/** Longer than a test takes: what is looked at, the tests look at. */
const never = 86_400_000;

/** Replicas on one store, with a clock that a test turns. */
async function world(t: TestContext, { replicas = 1, config = text } = {}) {
  const store = memoryStore();
  const time = { now: 1_800_000_000 };
  const clock = (): number => time.now;
  const parsed = parseConfig(config, { file: null, env });
  const stacks: Stack[] = [];
  for (let made = 0; made < replicas; made += 1) {
    const stack = await createStack({ config: parsed, env, store, clock });
    t.after(() => stack.close());
    stacks.push(stack);
  }
  const [first = assert.fail()] = stacks;
  const said: string[] = [];
  const duties = stacks.map((stack) =>
    rampDuties(stack, { say: (words) => said.push(words), warn: (words) => said.push(words), lookMillis: never }),
  );
  const look = async (): Promise<void> => {
    for (const stack of stacks) await stack.audit.flush();
    for (const one of duties) await one.look();
    await settled();
  };
  const order = async (change: (state: RampState) => RampState | null): Promise<void> => {
    assert.ok(await changeRamp(store.records, clock, (state) => state && change(state)));
    await settled();
  };
  return {
    store,
    time,
    stacks,
    first,
    said,
    look,
    order,
    key: (service: string, kind: 'sk' | 'hs' = 'sk') =>
      createKey(store, first.seal, { service, kind, expiresAt: null, now: time.now }),
    /** One that has ended, as its caller does not know yet. */
    async oldKey(service: string) {
      const made = await createKey(store, first.seal, { service, kind: 'sk', expiresAt: time.now + 1, now: time.now });
      time.now += 2;
      await settled();
      return made;
    },
    async start(yaml: string): Promise<void> {
      const written = parseRampPlan(yaml, null, rampGround(parsed, time.now));
      assert.ok(await changeRamp(store.records, clock, () => started(written, 'salt', 'operator:test', time.now)));
      await settled();
    },
    state: async (): Promise<RampState> => (await storedRamp(store.records, time.now)) ?? assert.fail('no ramp'),
  };
}

/** Changes are heard in turns of the event loop. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function ask(stack: Stack, service: string, headers: Record<string, string>, address = '192.0.2.7'): Promise<Decision> {
  const asked = {
    target: `/${service}/run`,
    path: '/run',
    service,
    remoteAddress: address,
    headers,
    requestId: crypto.randomUUID(),
  };
  return stack.guard.decide(requestWith(asked));
}

const withKey = (key: string): Record<string, string> => ({ 'x-api-key': key });

function signed(secret: string, service: string, timestamp: number): Record<string, string> {
  const { headers } = signServiceRequest({
    serviceId: 'late',
    secret,
    method: 'GET',
    target: `/${service}/run`,
    timestamp,
  });
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

test('a step that waits for an operator says what comes of promoting it: the next one, or the end', async (t) => {
  const { time, first, look, key, start, state } = await world(t);
  const web = await key('web');
  await start('minSamples: 1\nsoak: 1m\nsteps: [{ routes: [npu/*], promote: manual }]\n');
  for (let minute = 0; minute < 6; minute += 1) {
    await ask(first, 'npu', withKey(web.key));
    time.now += 60;
    await look();
  }
  const words = 'it went well; it is the last step, and the ramp is finished by: countersign ramp promote';
  assert.deepEqual((await state()).findings, [words]);
});

test('a rollout over four groups stops at the third, where two callers are not ready, and goes on when they are', async (t) => {
  const { store, time, first, said, look, order, key, oldKey, start, state } = await world(t);
  const web = await key('web');
  const late = await key('late', 'hs');
  const old = await oldKey('old');
  let clockIsOff = true;
  let used = old.key;
  const everybody = async (): Promise<Decision[]> => {
    const decisions: Decision[] = [];
    for (const service of names)
      for (let call = 0; call < 10; call += 1) decisions.push(await ask(first, service, withKey(web.key)));
    const lateTime = clockIsOff ? time.now - 400 : time.now;
    decisions.push(await ask(first, 'browser', signed(late.key, 'browser', lateTime)));
    decisions.push(await ask(first, 'llm', withKey(used)));
    return decisions;
  };
  const minutes = async (count: number): Promise<number> => {
    let refused = 0;
    for (let minute = 0; minute < count; minute += 1) {
      refused += (await everybody()).filter(({ outcome }) => outcome === 'deny').length;
      time.now += 60;
      await look();
    }
    return refused;
  };

  await minutes(3);
  const before = await report(store, { since: time.now - 3600, until: time.now });
  assert.deepEqual(
    before.would_deny_groups.map(({ caller, service, reason }) => `${caller} ${service} ${reason}`).sort(),
    ['service:late browser timestamp_outside_window', 'service:old llm expired'],
  );

  await start(plan);
  assert.equal((await ask(first, 'embeddings', {})).outcome, 'deny', 'the first step is enforced');
  assert.equal((await ask(first, 'npu', {})).outcome, 'would_deny', 'the second is not yet');
  let refused = await minutes(29);
  assert.equal((await state()).step, 0, 'a soak is a soak');
  refused += await minutes(60);
  const stopped = await state();
  assert.deepEqual(
    [stopped.status, stopped.steps],
    ['stopped', ['passed', 'passed', 'rolled_back', 'waiting']],
    said.join('\n'),
  );
  assert.equal(refused, 0, 'the breach is rolled back before it refuses anybody');
  const { culprits } = await judgementOf(
    { store, config: first.config, modes: first.modes, hasKey: hasKeyIn(first.keyring) },
    stopped,
    time.now,
  );
  assert.deepEqual(culprits.map(({ caller, route, reason }) => `${caller} ${route} ${reason}`).sort(), [
    'service:late browser/run timestamp_outside_window',
    'service:old llm/run expired',
  ]);
  for (const service of ['embeddings', 'coordinator', 'npu'])
    assert.equal((await ask(first, service, {})).outcome, 'deny', `${service} stays enforced`);
  for (const service of ['browser', 'llm', 'memory'])
    assert.equal((await ask(first, service, {})).outcome, 'would_deny', service);
  assert.equal(await minutes(120), 0);
  assert.equal((await state()).status, 'stopped', 'nothing goes on by itself');

  clockIsOff = false;
  used = (await key('old')).key;
  await settled();
  time.now += 60;
  await order((now) => resumed(now, time.now));
  assert.equal(await minutes(75), 0);
  assert.deepEqual([(await state()).status, (await ask(first, 'memory', {})).outcome], ['finished', 'deny']);
  assert.equal((await ask(first, 'llm', withKey(old.key))).outcome, 'deny', 'what has passed is enforced as ever');
  await settled();
  assert.equal((await state()).status, 'finished', 'nobody undoes it by being refused');
  const events = await store.events.list('events', { limit: 100 });
  const types = events.map(({ type }) => type).filter((type) => type.startsWith('ramp.'));
  assert.deepEqual(types, ['ramp.promoted', 'ramp.promoted', 'ramp.rolled_back', 'ramp.promoted', 'ramp.promoted']);
});

test('without evidence nothing goes on, and after the limit it pauses', async (t) => {
  const { time, look, start, state } = await world(t);
  await start(`inconclusiveLimit: 50\n${plan}`);
  for (let minute = 0; minute < 49; minute += 1) {
    time.now += 60;
    await look();
  }
  assert.deepEqual([(await state()).status, (await state()).step], ['running', 0]);
  assert.match((await state()).findings.join(), /only 0 requests of proven callers were allowed/);
  time.now += 60;
  await look();
  assert.equal((await state()).status, 'paused');
});

test('a part of the callers is always the same, and whoever is not among them is held against the next step', async (t) => {
  const { stacks, time, look, key, oldKey, start, state } = await world(t, { replicas: 2 });
  await start(`soak: 10m\nsteps:\n  - { routes: [npu/*], callers: 40% }\n  - { routes: [npu/*] }\n`);
  const outcomes = new Map<string, string>();
  for (let caller = 0; caller < 200; caller += 1) {
    const address = `192.0.2.${caller}`;
    const all = await Promise.all(stacks.map((stack) => ask(stack, 'npu', {}, address)));
    const [one = assert.fail()] = new Set(all.map(({ outcome }) => outcome));
    assert.equal(new Set(all.map(({ outcome }) => outcome)).size, 1, 'every replica says the same');
    outcomes.set(address, one);
  }
  const refused = [...outcomes.values()].filter((outcome) => outcome === 'deny').length;
  assert.ok(refused > 50 && refused < 110, `${refused} of 200`);
  for (const [address, outcome] of outcomes)
    assert.equal((await ask(stacks[0] ?? assert.fail(), 'npu', {}, address)).outcome, outcome);

  const [first = assert.fail()] = stacks;
  const good = await key('web');
  const place = cohort('salt');
  const name = ['one', 'two', 'three', 'four', 'five', 'six'].find((other) => place(`service:${other}`) >= 40);
  const later = await oldKey(name ?? assert.fail());
  for (let minute = 0; minute < 20; minute += 1) {
    for (let call = 0; call < 30; call += 1) await ask(first, 'npu', withKey(good.key));
    assert.equal((await ask(first, 'npu', withKey(later.key))).outcome, 'would_deny');
    time.now += 60;
    await look();
  }
  const { status, step, findings } = await state();
  assert.deepEqual([status, step], ['running', 0]);
  assert.match(findings.join(), new RegExp(`known callers would be refused next: service:${name} at npu/run`));
});

test('the refusal of a known caller is rolled back on every replica, of a stranger on none', async (t) => {
  const { stacks, time, key, oldKey, start, state, order } = await world(t, { replicas: 2 });
  const [one = assert.fail(), other = assert.fail()] = stacks;
  const ended = await oldKey('old');
  await start(plan);
  for (let call = 0; call < 50; call += 1) assert.equal((await ask(one, 'embeddings', {})).outcome, 'deny');
  const stranger = {
    'x-service-id': 'nobody',
    'x-service-signature': 'ab'.repeat(32),
    'x-service-timestamp': `${time.now}`,
  };
  assert.equal((await ask(one, 'embeddings', stranger)).outcome, 'deny');
  const revoked = await key('web');
  await revokeKey(one.store, revoked.record.id, time.now);
  await settled();
  assert.equal((await ask(one, 'embeddings', withKey(revoked.key))).outcome, 'deny', 'that is what revoking is for');
  await settled();
  assert.equal((await state()).status, 'running');
  assert.equal(
    (await ask(one, 'embeddings', withKey(ended.key))).outcome,
    'would_deny',
    'not even this one is refused',
  );
  await settled();
  assert.deepEqual([(await state()).status, (await state()).steps[0]], ['withdrawn', 'rolled_back']);
  for (const stack of [one, other]) assert.equal((await ask(stack, 'embeddings', {})).outcome, 'would_deny');
  time.now += 1;
  await order((now) => resumed(now, time.now));
  for (const stack of [one, other]) assert.equal((await ask(stack, 'embeddings', {})).outcome, 'deny');
});

test('a mode that is set by hand counts before a ramp that was ordered on earlier', async (t) => {
  const { first, time, start, order } = await world(t);
  await start(plan);
  const outcome = async (): Promise<string> => (await ask(first, 'embeddings', {})).outcome;
  assert.equal(await outcome(), 'deny');
  time.now += 1;
  await first.modes.set('', 'report', 'operator:test');
  assert.equal(await outcome(), 'would_deny', 'the way back of everybody who knows no ramps');
  time.now += 1;
  await order((state) => resumed(paused(state, []) ?? assert.fail(), time.now));
  assert.equal(await outcome(), 'deny');
  await first.modes.setAll('off', 'operator:test');
  assert.equal((await ask(first, 'embeddings', {})).verdict, null);
});

test('whoever is exempt is let pass until the day', async (t) => {
  const { first, time, oldKey, start, state } = await world(t);
  const ended = await oldKey('old');
  await start(
    `steps: [{ routes: ['*'] }]\nexempt:\n` +
      `  - { caller: old, routes: [llm/*], until: 2027-01-20, owner: ops, reason: batch }\n` +
      `  - { allowedIps: [198.51.100.0/24], routes: [npu/*], until: 2027-01-20, owner: ops, reason: old device }\n`,
  );
  assert.equal((await ask(first, 'llm', withKey(ended.key))).outcome, 'would_deny');
  assert.equal((await ask(first, 'npu', {}, '198.51.100.9')).outcome, 'would_deny');
  assert.equal((await ask(first, 'llm', {}, '198.51.100.9')).outcome, 'deny');
  assert.equal((await state()).status, 'running');
  time.now += 10 * 86_400;
  assert.equal((await ask(first, 'npu', {}, '198.51.100.9')).outcome, 'deny');
  await ask(first, 'llm', withKey(ended.key));
  await settled();
  assert.equal((await state()).status, 'withdrawn');
});

test('by hand: promoted and taken back, one step or all', async (t) => {
  const { first, time, start, order, state } = await world(t);
  await start(plan);
  await order((now) => promoted(now, time.now, true));
  assert.deepEqual((await state()).steps, ['passed', 'enforced', 'waiting', 'waiting']);
  await order((now) => rolledBack(now, 1, []));
  const outcomes = (): Promise<string[]> =>
    Promise.all(['embeddings', 'npu'].map(async (service) => (await ask(first, service, {})).outcome));
  assert.deepEqual(await outcomes(), ['deny', 'would_deny']);
  await order((now) => rolledBack(now, 'all', []));
  assert.deepEqual(await outcomes(), ['would_deny', 'would_deny']);
  assert.equal((await state()).status, 'withdrawn');
});

test('while the store is away nobody is promoted, and a breach is rolled back where it is seen', async (t) => {
  const { first, store, time, key, oldKey, start, look, state } = await world(t);
  const ended = await oldKey('old');
  const web = await key('web');
  await start(plan);
  const records = store.records as { put: Store['records']['put'] };
  const put = records.put;
  records.put = () => Promise.reject(Object.assign(new Error('away'), { code: 'store_unavailable' }));
  assert.equal((await ask(first, 'embeddings', withKey(ended.key))).outcome, 'would_deny');
  await settled();
  assert.equal((await ask(first, 'embeddings', {})).outcome, 'would_deny', 'here at once');
  for (let minute = 0; minute < 40; minute += 1) {
    for (let call = 0; call < 30; call += 1) await ask(first, 'coordinator', withKey(web.key));
    time.now += 60;
    await look();
  }
  assert.deepEqual([(await state()).status, (await state()).step], ['running', 0]);
  records.put = put;
  while ((await state()).status !== 'withdrawn') await new Promise((resolve) => setTimeout(resolve, 20));
});

test('however many are in the way, a step that failed is rolled back, and what is kept of them is bounded', async (t) => {
  const { store, time, first, look, oldKey, start, state } = await world(t);
  await start(`failureLimit: 100\n${plan}`);
  const minute = Math.ceil((time.now + 60) / 60) * 60;
  time.now = minute;
  const long = 'x'.repeat(120);
  const denied = { outcome: 'deny', mode: 'enforce', service: 'embeddings', route: '/run' } as const;
  await store.decisions.append(
    Array.from({ length: 2000 }, (_, number) =>
      decisionRow(number, {
        ...denied,
        time: minute + 1,
        reason: 'expired',
        principal: `service:${long}-${number}`,
      }),
    ),
  );
  time.now = minute + 61;
  await look();
  const { status, culprits, findings } = await state();
  assert.equal(status, 'withdrawn');
  assert.equal(culprits.length, 50);
  assert.ok(findings.join().length < 4000, `${findings.join().length} characters`);
  assert.match(findings.join(), / and [0-9]+ more/);
  assert.equal((await ask(first, 'embeddings', withKey((await oldKey('old')).key))).outcome, 'would_deny');
});

test('a service that answers slowly fails the step, by name; where no answer was seen nobody can tell', async (t) => {
  const { time, first, look, key, start, state } = await world(t);
  const web = await key('web');
  await start(`gates: { answerTime: 800ms }
consecutiveSuccessLimit: 1
steps: [{ routes: [embeddings/*, coordinator/*], soak: 2m }]
`);
  const minute = async (answers: Readonly<Record<string, number>>): Promise<RampState> => {
    for (const service of ['embeddings', 'coordinator'])
      for (let call = 0; call < 20; call += 1) {
        await ask(first, service, withKey(web.key));
        const millis = answers[service];
        if (millis !== undefined) first.audit.answered(service, millis * 1000);
      }
    time.now += 60;
    await look();
    return state();
  };
  await minute({ embeddings: 790 });
  const unsure = await minute({ embeddings: 790 });
  assert.equal(unsure.status, 'running');
  assert.match(unsure.findings.join(), /^no answer of coordinator was timed$/);
  const failed = await minute({ embeddings: 790, coordinator: 801 });
  assert.equal(failed.steps[0], 'rolled_back');
  assert.match(failed.findings.join(), /^coordinator takes up to 801 ms to answer, of at most 800 ms$/);

  await start(`gates: { answerTime: 800ms }
consecutiveSuccessLimit: 1
steps: [{ routes: [embeddings/*], soak: 2m }]
`);
  for (let passed = 0; passed < 4; passed += 1) await minute({ embeddings: 790, coordinator: 5000 });
  assert.equal((await state()).status, 'finished');
});
