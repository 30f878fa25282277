import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepCheckResult } from '../../audit/check-result.ts';
import { beginRotation } from '../../keys/rotation/rotate.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { adminToken, bearer, rawRequest, startAuthority } from '../../../test/fixtures/authority-stack.ts';
import { loggedIn, quick } from '../../../test/fixtures/operator.ts';
import { mintRequest } from '../../../test/fixtures/mint-request.ts';

const yaml = `name: my-stack
mode: report
adminHosts: [admin.example.org]
callers: [aidb]
services:
  echo:
    upstream: http://127.0.0.1:1
    routes:
      - { path: /open, access: public }
      - { path: /embed, callers: [aidb], scopes: [embed:write], mode: enforce }
`;

type Data = Record<string, unknown>;

function client(adminOrigin: string) {
  return async (method: string, path: string, body?: unknown, headers: Record<string, string> = bearer(adminToken)) => {
    const answer = await fetch(`${adminOrigin}/admin/api${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const parsed = (await answer.json()) as Data;
    return { status: answer.status, headers: answer.headers, body: parsed, data: (parsed['data'] ?? {}) as Data };
  };
}

test('only the admin token serves; every other caller is told in the words of the contract', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { yaml });
  const call = client(adminOrigin);
  const token = await stack.tokens.mint({ ...mintRequest, scopes: ['admin:tokens'] });
  for (const [method, path] of [
    ['GET', '/status'],
    ['GET', '/services'],
    ['GET', '/keys'],
    ['GET', '/modes'],
    ['GET', '/report'],
    ['GET', '/decisions'],
    ['PUT', '/modes'],
    ['POST', '/keys'],
    ['DELETE', '/keys/0123456789'],
  ] as const) {
    const missing = await call(method, path, undefined, {});
    assert.equal(missing.status, 401);
    assert.equal(missing.body['error'], 'Missing Authorization header');
    const wrong = await call(method, path, undefined, bearer('wrong'));
    assert.ok(wrong.status === 401 || wrong.status === 429);
    const known = await call(method, path, undefined, bearer(token.token));
    assert.equal(known.status, 403);
    assert.equal(known.body['reason'], 'not_allowed');
    assert.equal(known.body['authenticated'], true);
    assert.match(known.headers.get('www-authenticate') ?? '', /^Bearer/);
  }
});

test('status, services and modes show the stack and no secret', async (t) => {
  const { adminOrigin } = await startAuthority(t, { yaml });
  const call = client(adminOrigin);
  const status = await call('GET', '/status');
  assert.equal(status.status, 200);
  assert.equal(status.data['name'], 'my-stack');
  assert.equal(status.data['store'], 'memory');
  assert.equal(status.data['store_up'], true);
  assert.equal(status.data['dev_mode'], false);
  const { services } = (await call('GET', '/services')).data as {
    services: { name: string; mode: string; routes: Data[] }[];
  };
  assert.deepEqual(
    services.map((service) => [service.name, service.mode]),
    [['echo', 'report']],
  );
  assert.deepEqual(
    services[0]?.routes.map((route) => [route['path'], route['access'], route['mode']]),
    [
      ['/open', 'public', 'report'],
      ['/embed', 'any', 'enforce'],
    ],
  );
  const { modes } = (await call('GET', '/modes')).data as { modes: Data[] };
  assert.ok(modes.some((mode) => mode['scope'] === '' && mode['mode'] === 'report' && mode['source'] === 'file'));
  assert.ok(!JSON.stringify([status.body, services, modes]).includes(adminToken));
});

test('a mode set here is in force at once, and can be taken back', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { yaml });
  const call = client(adminOrigin);
  const mode = (): string => stack.modes.modeOf('echo', '*', null);
  assert.equal((await call('PUT', '/modes', { mode: 'enforce', scope: 'echo' })).status, 200);
  assert.equal(mode(), 'enforce');
  assert.equal((await call('PUT', '/modes', { mode: 'inherit', scope: 'echo' })).status, 200);
  assert.equal(mode(), 'report');
  assert.equal((await call('PUT', '/modes', { mode: 'off' })).status, 200);
  assert.equal(mode(), 'off');
  const all = await call('PUT', '/modes', { mode: 'enforce', all: true });
  assert.equal(all.status, 200);
  assert.equal(mode(), 'enforce');
  assert.ok((all.data['modes'] as Data[]).some((line) => line['set_by'] === 'operator:admin'));

  for (const body of [
    undefined,
    '',
    '{',
    [],
    {},
    { mode: 'on' },
    { mode: 'off', sope: 'echo' },
    { mode: 'off', scope: 7 },
    { mode: 'off', scope: 'echo', all: true },
  ])
    assert.equal((await call('PUT', '/modes', body)).status, 400, JSON.stringify(body));
  const unknown = await call('PUT', '/modes', { mode: 'off', scope: 'nobody' });
  assert.equal(unknown.status, 404);
  assert.match(String(unknown.body['error']), /nobody/);
});

test('a key is created, shown once, listed without itself, and revoked', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { yaml });
  const call = client(adminOrigin);
  const created = await call('POST', '/keys', {
    service: 'aidb',
    scopes: ['embed:write'],
    allowed_ips: ['10.0.0.0/8'],
    expires_in_days: 90,
  });
  assert.equal(created.status, 201);
  assert.deepEqual(Object.keys(created.data), ['id', 'service', 'kind', 'expires_at', 'key']);
  assert.match(String(created.data['key']), /^cs_sk_/);
  const hmac = await call('POST', '/keys', { service: 'aidb', kind: 'hs' });
  assert.match(String(hmac.data['key']), /^cs_hs_/);
  assert.equal(hmac.data['expires_at'], null);

  const listed = await call('GET', '/keys');
  const keys = listed.data['keys'] as Data[];
  assert.equal(keys.length, 2);
  assert.equal(keys[0]?.['last_four'], String(created.data['key']).slice(-4));
  const text = JSON.stringify(listed.body);
  assert.ok(
    !text.includes(String(created.data['key'])) &&
      !text.includes(String(hmac.data['key'])) &&
      !/[0-9a-f]{64}/.test(text),
  );

  const removed = await call('DELETE', `/keys/${String(created.data['id'])}`);
  assert.equal(removed.status, 200);
  assert.ok(removed.data['revoked_at']);
  assert.equal((await stack.store.keys.get(String(created.data['id'])))?.revokedAt === null, false);
  assert.equal((await call('DELETE', '/keys/unknown')).status, 404);
  for (const body of [
    {},
    { service: 'a b' },
    { service: 'aidb', kind: 'st' },
    { service: 'aidb', expires_in_days: 0 },
    { service: 'aidb', allowed_ips: ['x'] },
    { service: 'aidb', key: 'mine' },
    '{',
    7,
  ])
    assert.equal((await call('POST', '/keys', body)).status, 400, JSON.stringify(body));
});

test('report and decisions show what was decided a moment ago', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { yaml });
  const call = client(adminOrigin);
  const request = {
    method: 'GET',
    target: '/echo/embed',
    path: '/embed',
    service: 'echo',
    authority: '',
    protocol: 'http' as const,
    remoteAddress: '127.0.0.1',
    requestId: 'r1',
    fields: () => [],
    bodyPresence: 'unseen' as const,
    body: () => Promise.reject(new Error('unread')),
  };
  await stack.guard.decide(request);
  await stack.guard.decide({ ...request, path: '/open' });
  const { data } = await call('GET', '/report?since=1h');
  assert.deepEqual([data['requests'], data['denied'], data['public']], [2, 1, 1]);
  const { decisions } = (await call('GET', '/decisions?limit=10&outcome=deny')).data as { decisions: Data[] };
  assert.deepEqual(
    decisions.map((row) => [row['service'], row['route'], row['reason']]),
    [['echo', '/embed', 'missing_credentials']],
  );
  assert.equal(((await call('GET', '/decisions?request=r1')).data as { decisions: Data[] }).decisions.length, 2);
  const none = (await call('GET', '/decisions?request=r2')).data as { decisions: Data[]; looked_to: number };
  assert.deepEqual(none.decisions, []);
  const behind = (await call('GET', `/decisions?after=${none.looked_to}`)).data as { decisions: Data[] };
  assert.deepEqual(behind.decisions, [], 'all was looked at');
  const first = (await call('GET', '/decisions?after=0&limit=1')).data as { decisions: Data[]; looked_to: number };
  assert.equal(first.looked_to, first.decisions[0]?.['sequence'], 'and here but one');
  assert.equal(((await call('GET', '/decisions?until=1h')).data as { looked_to: null }).looked_to, null);
  const sought = async (query: string): Promise<unknown[]> =>
    ((await call('GET', `/decisions?${query}`)).data as { decisions: Data[] }).decisions.map((each) => each['route']);
  assert.deepEqual(await sought('route=/open'), ['/open']);
  assert.deepEqual(await sought('reason=missing_credentials'), ['/embed']);
  assert.deepEqual(await sought('reason=expired'), []);
  assert.deepEqual(await sought('since=1h&until=1m'), [], 'not from after that');
  await stack.store.decisions.append([{ ...decisionRow(0, { route: '/before' }), time: stack.clock() - 600 }]);
  assert.deepEqual(await sought('since=1h&until=1m'), ['/before']);
  const [row] = decisions;
  assert.match(String(row?.['time']), /^\d{4}-.*Z$/);
  assert.equal(row?.['client_address'], '127.0.0.1');
  const later = (await call('GET', `/decisions?after=${String(row?.['sequence'])}`)).data as { decisions: Data[] };
  assert.deepEqual(
    later.decisions.map((each) => each['route']),
    ['/open', '/before'],
  );
  const slip = await call('GET', '/decisions?until=1y');
  assert.deepEqual([slip.status, /until is a number/.test(String(slip.body['error']))], [400, true]);
  for (const query of [
    '/report?since=yesterday',
    '/decisions?limit=0',
    '/decisions?limit=x',
    '/decisions?limt=1',
    '/decisions?since=1y',
    '/decisions?outcome=maybe',
    `/decisions?request=${'r'.repeat(129)}`,
  ])
    assert.equal((await call('GET', query)).status, 400, query);
});

test('what doctor and probe found last is given to operators, and to no viewer', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { yaml, authority: quick });
  const call = client(adminOrigin);
  assert.deepEqual((await call('GET', '/checks')).data, { checks: { doctor: null, probe: null } });
  const finding = {
    severity: 'high',
    place: '.env:3',
    what: 'open',
    why: 'all read it',
    repair: ['chmod 600 .env'],
  } as const;
  const result = { by: 'cli:root', from: 'host', summary: '1 finding: 1 high', findings: [finding] };
  await keepCheckResult(stack.store.records, { ...result, check: 'doctor', at: 1_800_000_000 });
  assert.deepEqual((await call('GET', '/checks')).data, {
    checks: { doctor: { at: '2027-01-15T08:00:00Z', ...result, omitted: 0 }, probe: null },
  });
  const operator = await loggedIn(stack, adminOrigin, 'ana');
  assert.equal((await operator.ask('GET', '/checks')).status, 200);
  const viewer = await loggedIn(stack, adminOrigin, 'vera', 'viewer');
  const refused = await viewer.ask('GET', '/checks');
  assert.deepEqual([refused.status, refused.body.reason], [403, 'not_allowed']);
});

test('the admin port answers to loopback names and adminHosts only, with an Origin of theirs', async (t) => {
  const { adminOrigin } = await startAuthority(t, { yaml });
  const port = Number(new URL(adminOrigin).port);
  const status = async (...lines: string[]): Promise<number> =>
    (await rawRequest(port, ['GET /admin/api/status HTTP/1.1', `Authorization: Bearer ${adminToken}`, ...lines]))
      .status;
  for (const host of [
    'localhost',
    `localhost:${port}`,
    '127.0.0.1:80',
    '[::1]:8701',
    'admin.example.org',
    'ADMIN.example.org:443',
  ])
    assert.equal(await status(`Host: ${host}`), 200, host);
  for (const host of [
    'evil.example.org',
    'localhost.evil.example.org',
    '127.0.0.1.evil.example.org',
    '10.0.0.1',
    'admin.example.org.evil',
    '',
  ])
    assert.equal(await status(`Host: ${host}`), 403, host);
  assert.equal(await status('Host: localhost', 'Origin: http://localhost:5173'), 200);
  assert.equal(await status('Host: localhost', 'Origin: https://admin.example.org'), 200);
  for (const origin of ['https://evil.example.org', 'null', 'http://localhost.evil.example.org', 'file://'])
    assert.equal(await status('Host: localhost', `Origin: ${origin}`), 403, origin);
});

test("on the port of the services the admin's paths exist under adminHosts only", async (t) => {
  const { port, adminOrigin } = await startAuthority(t, { yaml });
  const get = async (host: string, path: string): Promise<number> =>
    (await rawRequest(port, [`GET ${path} HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${adminToken}`])).status;
  assert.equal(await get('localhost', '/admin/api/status'), 404);
  assert.equal(await get('admin.example.org', '/admin/api/status'), 200);
  assert.equal(await get('admin.example.org', '/health'), 200);
  assert.equal(await get('admin.example.org', '/dashboard/nothing'), 404);
  assert.equal((await fetch(`${adminOrigin}/health`)).status, 404);
  assert.equal((await fetch(`${adminOrigin}/auth/tokens`, { headers: bearer(adminToken) })).status, 404);
});

test('keys are shown with their stage and who used them last, outside service routes too', async (t) => {
  const { adminOrigin, origin, stack } = await startAuthority(t, { yaml });
  const call = client(adminOrigin);
  const made = await call('POST', '/keys', { service: 'aidb', scopes: ['metrics:read'] });
  const id = String(made.data['id']);
  const old = (await stack.store.keys.get(id)) ?? assert.fail();
  const { record } = await beginRotation(old, { store: stack.store, seal: stack.seal, now: stack.clock() });
  const metrics = await fetch(`${origin}/metrics`, {
    headers: { ...bearer(String(made.data['key'])), 'x-forwarded-for': '10.9.9.9' },
  });
  assert.equal(metrics.status, 200);
  await stack.audit.flush();
  // Two keys of one moment stand in the order of their ids, which are random.
  const keys = async () => {
    const listed = (await call('GET', '/keys')).data['keys'] as Data[];
    return listed.toSorted((one) => (one['id'] === id ? -1 : 1));
  };
  const [first, second] = await keys();
  assert.deepEqual([first?.['stage'], second?.['stage'], second?.['replaces']], ['current', 'pending', id]);
  const use = first?.['last_used'] as Data;
  assert.deepEqual([use['by'], use['from'], second?.['last_used']], ['service:aidb', '127.0.0.1', null]);
  await stack.store.keys.promote(record.id, null);
  const after = await keys();
  assert.deepEqual(
    after.map((key) => [key['stage'], key['status']]),
    [
      ['previous', 'active'],
      ['current', 'active'],
    ],
  );
});
