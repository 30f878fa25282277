import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ruleFor } from '../../test/fixtures/asked.ts';
import type { RouteRule } from '../core/route.ts';
import type { DecisionRow } from '../core/store.ts';
import { decisionRow } from '../stores/store.fixtures.ts';
import { learn } from './learn.ts';
import { overlap, patternsOf } from './path-patterns.ts';
import { recordedRows } from './recorded.ts';
import { memoryStore } from '../stores/memory/store.ts';

const plain = ruleFor('/');

/** Each row ten times, a minute apart; what is proposed, as text. */
async function proposed(rules: (Partial<RouteRule> & { path: string })[], rows: readonly Partial<DecisionRow>[]) {
  async function* recorded() {
    for (const row of rows) for (let minute = 0; minute < 10; minute += 1) yield decisionRow(minute * 60, row);
  }
  const services = [{ name: 'embeddings', rules: rules.map((rule) => ({ ...plain, ...rule })) }];
  const { proposals } = await learn({ rows: recorded(), services, requestsMin: 10, timesMin: 3 });
  return proposals.map(
    ({ kind, path, methods, access, callers }) =>
      `${kind} ${methods?.join('+') ?? '*'} ${path} ${callers?.join(',') ?? access ?? ''}`,
  );
}

const at = (path: string, more: Partial<DecisionRow> = {}): Partial<DecisionRow> => ({ path, route: '*', ...more });

test('what was asked for before its rule was written is not proposed once more', async () => {
  const rows = [
    at('/models', { method: 'GET' }),
    at('/models/7', { method: 'GET' }),
    at('/models', { method: 'POST' }),
  ];
  assert.deepEqual(await proposed([], rows), [
    'add GET+POST /models web',
    'add GET /models/:id web',
    'add * /* service',
  ]);
  const some = [{ path: '/models', methods: ['GET'] }, { path: '/models/:id' }];
  assert.deepEqual(await proposed(some, rows), ['add POST /models web', 'add * /* service']);
});

test('each proposal has its evidence, what looks public has by whom, and the matrix has each caller once', async () => {
  const [first, last] = [at('/query'), at('/query', { method: 'GET', requestId: 'the last' })];
  const stranger = { outcome: 'would_deny', reason: 'missing_credentials', principal: '' } as const;
  async function* recorded() {
    for (const [start, row] of [
      [0, first],
      [600, { ...at('/health', stranger), clientAddress: '10.0.0.8' }],
      [600, { ...at('/health', stranger), clientAddress: '10.0.0.9' }],
      [1200, last],
    ] as const)
      for (let minute = 0; minute < 10; minute += 1) yield decisionRow(start + minute * 60, row);
  }
  const services = [{ name: 'embeddings', rules: [{ ...plain, path: '/query' }] }];
  const found = await learn({ rows: recorded(), services, requestsMin: 10, timesMin: 3 });
  const [rest] = found.proposals.filter(({ path }) => path === '/*');
  const start = decisionRow(0).time;
  assert.deepEqual(rest?.evidence, {
    requests: 20,
    times: 20,
    firstSeen: start,
    lastSeen: start + 1200 + 540,
    requestId: 'the last',
  });
  assert.deepEqual(
    found.public_looking.map(({ path, method, addresses }) => [method, path, addresses]),
    [['POST', '/health', ['10.0.0.8', '10.0.0.9']]],
  );
  assert.deepEqual(
    found.matrix.map(({ caller, method, path, requests }) => `${caller} ${method} ${path} ${requests}`),
    ['service:web POST /query 10', 'service:web GET /query 10'],
  );
  async function* ofPattern() {
    for (const path of ['/models/7', '/models/8'])
      for (let minute = 0; minute < 10; minute += 1) yield decisionRow(minute * 60, at(path));
  }
  const { matrix } = await learn({ rows: ofPattern(), services, requestsMin: 10, timesMin: 3 });
  assert.deepEqual(
    matrix.map(({ path, requests }) => `${path} ${requests}`),
    ['/models/:id 20'],
  );
});

test('a caller whose clock is off, or whose key has ended, needs what it asks for all the same', async () => {
  const late = { outcome: 'would_deny', principal: 'service:late' } as const;
  const learnedWith = (reason: string, more: Partial<DecisionRow> = {}) =>
    proposed([{ path: '/embed' }], [{ route: '/embed' }, { route: '/embed', ...late, reason, ...more }]);
  const alone = ['narrow * /embed web', 'add * /* service'];
  for (const reason of ['timestamp_outside_window', 'expired'])
    assert.deepEqual(await learnedWith(reason), ['narrow * /embed late,web', 'add * /* service'], reason);
  // Taken away, by a rule of today, or merely claimed.
  for (const reason of ['revoked', 'not_allowed']) assert.deepEqual(await learnedWith(reason), alone, reason);
  assert.deepEqual(await learnedWith('timestamp_outside_window', { principal: '', claimed: 'service:late' }), alone);
  assert.deepEqual(await learnedWith('expired', { outcome: 'deny' }), alone, 'nobody misses what did not pass');
});

test('identifiers become parameters at once, other segments where five stand at one place', () => {
  const found = (...paths: string[]) => [...new Set(patternsOf(paths).values())];
  assert.deepEqual(found('/models/7', '/models/8'), ['/models/:id']);
  assert.deepEqual(found('/a/7/b/8'), ['/a/:id/b/:id2']);
  assert.deepEqual(found('/x/0190f0b4-63f6-7dd4-8a0e-3c9f3f3d2c11'), ['/x/:id']);
  assert.deepEqual(found('/models/a', '/models/b', '/models/c', '/models/d'), [
    '/models/a',
    '/models/b',
    '/models/c',
    '/models/d',
  ]);
  assert.deepEqual(found(...[...'abcde'].map((name) => `/models/${name}`)), ['/models/:name']);
  assert.deepEqual(found(...[...'abcde'].map((name) => `/models/${name}/card`), '/models/a/tags'), [
    '/models/:name/card',
    '/models/a/tags',
  ]);
});

test('patterns overlap where some path fits both', () => {
  assert.ok(overlap('/a/:id', '/:x/b'));
  assert.ok(overlap('/a/:id', '/a/*'));
  assert.ok(overlap('/*', '/a'));
  assert.ok(!overlap('/a/:id', '/a'));
  assert.ok(!overlap('/a/:id', '/b/:id'));
});

test('methods with the same callers share a rule, and HEAD counts as GET', async () => {
  const rows = [
    at('/query'),
    at('/query', { method: 'GET' }),
    at('/query', { method: 'HEAD' }),
    at('/query', { method: 'DELETE', principal: 'service:ocr' }),
  ];
  assert.deepEqual(await proposed([{ path: '/*' }], rows), ['add GET+POST /query web', 'add DELETE /query ocr']);
});

test('two patterns of the same paths are one, and so is a path however it is written', async () => {
  const rows = ['7', ...'abcde'].map((name) => at(`/models/${name}`));
  assert.deepEqual(await proposed([], rows), ['add POST /models/:id web', 'add * /* service']);
  assert.deepEqual(await proposed([{ path: '/café' }, { path: '/*' }], [at('/caf%C3%A9')]), []);
});

test('a pattern that could take a path from a rule that is there is not made', async () => {
  const rows = [at('/models/7'), at('/models/8')];
  assert.deepEqual(await proposed([{ path: '/:kind/admin' }], rows), [
    'add POST /models/7 web',
    'add POST /models/8 web',
    'add * /* service',
  ]);
  // A rule without parameters is the more specific one, whatever is added beside it.
  assert.deepEqual(await proposed([{ path: '/models/admin' }], rows), ['add POST /models/:id web', 'add * /* service']);
});

test('no path is taken from a rule for all below it that asks for more than a proven caller', async () => {
  for (const more of [
    { access: 'operator' },
    { callers: ['aidb'] },
    { scopes: ['x'] },
    { rateLimit: { limit: 1, windowSeconds: 1, by: 'caller' } },
    { mode: 'enforce' },
    { staleSecondsMax: 0 },
  ] as const) {
    const rules = [{ path: '/internal/*', ...more }, { path: '/*' }];
    assert.deepEqual(await proposed(rules, [at('/internal/x')]), [], JSON.stringify(more));
  }
  const open = [{ path: '/internal/*', access: 'service' as const }, { path: '/*' }];
  assert.deepEqual(await proposed(open, [at('/internal/x')]), ['add POST /internal/x web']);
});

test('only rules that are open to any caller are narrowed, and only to services with keys of their own', async () => {
  const used = { path: '/embed', route: '/embed' };
  assert.deepEqual(await proposed([{ path: '/embed' }, { path: '/*' }], [used]), ['narrow * /embed web']);
  assert.deepEqual(await proposed([{ path: '/embed', callers: ['x'] }, { path: '/*' }], [used]), []);
  assert.deepEqual(await proposed([{ path: '/embed', access: 'operator' }, { path: '/*' }], [used]), []);
  for (const principal of ['holder:embeddings', 'token:1'])
    assert.deepEqual(await proposed([{ path: '/embed' }, { path: '/*' }], [used, { ...used, principal }]), []);
});

test('where somebody is no service, paths without a rule stay open to any caller', async () => {
  assert.deepEqual(await proposed([], [at('/query', { principal: 'token:1' })]), []);
  assert.deepEqual(await proposed([], [at('/query', { principal: 'holder:embeddings' })]), [
    'add POST /query service',
    'add * /* service',
  ]);
});

test('callers beyond those that are told apart are never left out of a proposal', async () => {
  const rows = Array.from({ length: 120 }, (_, index) => ({
    path: '/embed',
    route: '/embed',
    principal: `service:s${index}`,
  }));
  assert.deepEqual(await proposed([{ path: '/embed' }, { path: '/*' }], rows), []);
});

test('a path that no rule can name is not proposed', async () => {
  for (const path of ['/:id/x', '/a/*', '/a//b'])
    assert.deepEqual(await proposed([{ path: '/*' }], [at(path)]), [], path);
});

test('rows are read a page at a time, and whoever else waits has a turn in between', async () => {
  const { decisions } = memoryStore();
  await decisions.append(Array.from({ length: 2500 }, (_, minute) => decisionRow(minute, {})));
  let turns = 0;
  let done = false;
  const turn = (): void => {
    turns += 1;
    if (!done) setImmediate(turn);
  };
  setImmediate(turn);
  const sequences: number[] = [];
  for await (const { sequence } of recordedRows(decisions, 0, 100)) sequences.push(sequence);
  done = true;
  assert.equal(sequences.length, 2400);
  assert.ok(sequences.every((sequence, index) => sequence === 101 + index));
  assert.ok(turns >= 2, `${turns} turns`);
});

test('what looks public is said once for each path and method, whichever rules it was asked for by', async () => {
  const unsigned = { path: '/health', principal: '', outcome: 'would_deny', reason: 'missing_credentials' } as const;
  const seen = [
    { ...unsigned, route: '*', method: 'GET' },
    { ...unsigned, route: '/:id', method: 'GET' },
    { ...unsigned, route: '*', method: 'HEAD' },
  ];
  async function* rows() {
    for (const row of seen) for (let minute = 0; minute < 10; minute += 1) yield decisionRow(minute * 60, row);
  }
  const services = [{ name: 'embeddings', rules: [{ ...plain, path: '/:id' }] }];
  const { public_looking } = await learn({ rows: rows(), services, requestsMin: 10, timesMin: 3 });
  assert.deepEqual(
    public_looking.map(({ method, path, evidence }) => [method, path, evidence.requests]),
    [['GET', '/health', 30]],
  );
});

test('what a browser asks before it calls is shown for the rule of its path, and so it can be written', async () => {
  const [one, two, other] = ['/sessions/1/messages', '/sessions/2/messages', '/wp/3/messages'];
  const preflight = { method: 'OPTIONS', principal: '', outcome: 'would_deny', reason: 'missing_credentials' } as const;
  const seen = [
    at(one, { method: 'GET' }),
    at(two, { method: 'GET' }),
    at('/embed', { route: '/embed' }),
    at('/asked', { route: '/asked' }),
    at('/seldom', { method: 'GET', principal: 'token:1' }),
    ...[one, two, other, '/seldom'].map((path) => at(path, preflight)),
    ...['/embed', '/asked'].map((path) => at(path, { ...preflight, route: path })),
  ];
  // Of each path too few, as those of sessions are.
  async function* rows() {
    for (const row of seen)
      for (let minute = 0; minute < (row.method === 'OPTIONS' ? 6 : 10); minute += 1)
        yield decisionRow(minute * 60, row);
  }
  const [embed, asked] = [
    ruleFor('/embed', { methods: ['POST'] }),
    ruleFor('/asked', { methods: ['OPTIONS', 'POST'] }),
  ];
  const services = [{ name: 'embeddings', rules: [embed, asked] }];
  const { public_looking, proposals } = await learn({ rows: rows(), services, requestsMin: 6, timesMin: 3 });
  assert.deepEqual(
    public_looking.map(({ method, path, evidence }) => [method, path, evidence.requests]),
    [
      ['OPTIONS', '/sessions/:id/messages', 12],
      ['OPTIONS', '/embed', 6],
    ],
  );
  assert.ok(proposals.some(({ path, methods }) => path === '/sessions/:id/messages' && methods?.join() === 'GET'));
});
