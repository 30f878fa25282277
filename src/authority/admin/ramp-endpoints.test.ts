import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { adminToken, bearer, startAuthority } from '../../../test/fixtures/authority-stack.ts';

const yaml = `mode: report
services:
  echo:
    upstream: http://127.0.0.1:1
    routes:
      - { path: /open, access: public }
      - { path: /embed, methods: [POST] }
      - { path: /list, mode: enforce }
`;
const plan = `name: in halves
steps:
  - { routes: [echo/embed], callers: 50% }
  - { routes: ['echo/*'] }
`;

interface Service {
  readonly mode: string;
  readonly ramp: object | null;
  readonly routes: readonly { readonly path: string; readonly mode: string; readonly ramp: object | null }[];
}

interface Data {
  readonly services: readonly Service[];
  readonly ramped: readonly object[];
  readonly ramp: { readonly status: string; readonly steps: readonly { readonly status: string }[] };
}

async function place(t: TestContext) {
  const { adminOrigin, stack } = await startAuthority(t, { yaml });
  const ask = async (method: string, path: string, body?: object): Promise<Data> => {
    const answer = await fetch(`${adminOrigin}/admin/api/${path}`, {
      method,
      headers: bearer(adminToken),
      ...(body && { body: JSON.stringify(body) }),
    });
    const { data, error } = (await answer.json()) as { data: Data; error?: string };
    assert.ok(answer.ok, error);
    return data;
  };
  const shares = async (): Promise<Record<string, object | null>> => {
    const [service] = (await ask('GET', 'services')).services;
    const ofRules = service?.routes.map(({ path, ramp }) => [path, ramp] as const) ?? [];
    return { '*': service?.ramp ?? null, ...Object.fromEntries(ofRules) };
  };
  return { ask, shares, stack };
}

test('beside a mode stands what the ramp enforces of it, until it is rolled back or a mode is set by hand', async (t) => {
  const { ask, shares, stack } = await place(t);
  assert.deepEqual(await shares(), { '*': null, '/open': null, '/embed': null, '/list': null });
  await ask('POST', 'ramp', { plan });
  const half = { percent: 50, step: 1 };
  assert.deepEqual(await shares(), { '*': null, '/open': null, '/embed': half, '/list': null });
  assert.deepEqual((await ask('GET', 'modes')).ramped, [{ service: 'echo', path: '/embed', ...half }]);
  await ask('POST', 'ramp/promote', {});
  const whole = { percent: 100, step: 2 };
  assert.deepEqual(
    await shares(),
    { '*': whole, '/open': null, '/embed': whole, '/list': null },
    'enforced is enforced',
  );
  await stack.modes.set('echo/embed', 'report', 'operator:ana');
  assert.deepEqual(await shares(), { '*': whole, '/open': null, '/embed': null, '/list': null });
});

test('one step of a ramp is rolled back, or all of them', async (t) => {
  const { ask, shares } = await place(t);
  await ask('POST', 'ramp', { plan });
  await ask('POST', 'ramp/promote', {});
  const { ramp } = await ask('POST', 'ramp/rollback', { reason: 'INC-12' });
  assert.deepEqual([ramp.status, ...ramp.steps.map(({ status }) => status)], ['stopped', 'passed', 'rolled_back']);
  assert.deepEqual((await shares())['/embed'], { percent: 50, step: 1 });
  assert.equal((await ask('POST', 'ramp/rollback', { step: 'all' })).ramp.status, 'withdrawn');
  assert.equal((await shares())['/embed'], null);
});

test('of two operators who promote the same step one is told that it is not under way any more', async (t) => {
  const { ask } = await place(t);
  await ask('POST', 'ramp', { plan });
  const orders = await Promise.allSettled([1, 2].map(() => ask('POST', 'ramp/promote', { step: 1 })));
  const refusals = orders.flatMap((order) => (order.status === 'rejected' ? [String(order.reason)] : []));
  assert.match(refusals.join('\n'), /^.*: step 1 of the ramp is not the one under way.*$/);
  const { ramp } = await ask('GET', 'ramp');
  assert.deepEqual(
    ramp.steps.map(({ status }) => status),
    ['passed', 'enforced'],
  );
});

test('who ordered what of a ramp over HTTP, and why, is in the audit', async (t) => {
  const { ask, stack } = await place(t);
  await ask('POST', 'ramp', { plan, reason: 'agreed' });
  for (const order of ['promote', 'pause', 'resume', 'rollback'])
    await ask('POST', `ramp/${order}`, { reason: `why ${order}` });
  await ask('POST', 'ramp/rollback', { step: 1 });
  const rows = await stack.store.events.list('events', { limit: 100 });
  const told = rows
    .map(
      ({ text }) =>
        JSON.parse(text) as {
          type: string;
          actor: string;
          via: string;
          subject: string;
          reason: string;
          detail: object;
        },
    )
    .filter(({ type }) => type.startsWith('ramp.'));
  assert.deepEqual(
    told.map(({ type, reason, detail }) => [type, reason, detail]),
    [
      ['ramp.started', 'agreed', { steps: 2 }],
      // As where a server goes on by itself: the step that has passed.
      ['ramp.promoted', 'why promote', { step: 1, status: 'running' }],
      ['ramp.paused', 'why pause', { step: 2, status: 'paused' }],
      ['ramp.resumed', 'why resume', { step: 2, status: 'running' }],
      ['ramp.rolled_back', 'why rollback', { step: 2, status: 'stopped' }],
      ['ramp.rolled_back', '', { step: 1, status: 'withdrawn' }],
    ],
  );
  for (const { actor, via, subject } of told)
    assert.deepEqual([actor, via, subject], ['operator:admin', 'http', 'in halves']);
});
