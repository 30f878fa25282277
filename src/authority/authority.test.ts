import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { adminToken, bearer, rawRequest, startAuthority } from '../../test/fixtures/authority-stack.ts';
import { until } from '../../test/fixtures/until.ts';
import { StoreError, type Change } from '../core/store.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { createKey } from '../keys/create.ts';
import { isReserved } from './authority.ts';

test('reserved is what the first segment says, in any case of its letters and any encoding', () => {
  for (const path of [
    '/auth',
    '/auth/token',
    '/Auth/x',
    '/ADMIN',
    '/health',
    '/.well-known/x',
    '/mcp',
    '/info',
    '/metrics/',
    '/oauth/token',
    '/dashboard/',
    '/%48EALTH',
  ])
    assert.ok(isReserved(path), path);
  for (const path of ['/', '/authentication', '/healthz', '/echo/auth', '/well-known', '/embeddings'])
    assert.ok(!isReserved(path), path);
});

test('health, info and their HEAD are open to everyone and never kept', async (t) => {
  const { origin } = await startAuthority(t, {
    yaml: "name: my-stack\nservices:\n  echo: { upstream: 'http://127.0.0.1:1' }\n",
  });
  for (const path of ['/health', '/health/live', '/health/ready', '/health/startup', '/health/']) {
    const answer = await fetch(origin + path);
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as { status: string }).status, 'UP');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    const head = await fetch(origin + path, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(await head.text(), '');
  }
  const info = (await (await fetch(`${origin}/info`)).json()) as Record<string, unknown>;
  assert.equal(info['name'], 'my-stack');
  assert.match(String(info['version']), /^\d+\.\d+\.\d+/);
  assert.equal(typeof info['uptime_seconds'], 'number');
  assert.deepEqual(Object.keys(info), ['name', 'version', 'uptime_seconds']);
});

test('ready is DOWN with a reason while the store does not answer, and UP again after it', async (t) => {
  const store = memoryStore();
  let away = false;
  let readOnly = false;
  const ping = store.ping.bind(store);
  Object.assign(store, {
    ping: () => (away ? Promise.reject(new StoreError('store_unavailable', 'gone', { readOnly })) : ping()),
  });
  const { origin } = await startAuthority(t, { store });
  assert.equal((await fetch(`${origin}/health/ready`)).status, 200);
  away = true;
  const answer = await fetch(`${origin}/health/ready`);
  assert.equal(answer.status, 503);
  assert.deepEqual(await answer.json(), {
    status: 'DOWN',
    reason: 'the memory store does not answer',
    stale_seconds: 0,
  });
  assert.equal((await fetch(`${origin}/health/live`)).status, 200);
  readOnly = true;
  const { reason } = (await (await fetch(`${origin}/health/ready`)).json()) as Record<string, unknown>;
  assert.equal(reason, 'the memory store takes no writes');
  away = false;
  assert.equal((await fetch(`${origin}/health/ready`)).status, 200);
});

test('ready says that changes may have been missed where the store answers and its feed does not', async (t) => {
  const store = memoryStore();
  const { watch } = store;
  const told: ((change: Change) => void)[] = [];
  const { origin } = await startAuthority(t, {
    store: Object.assign(store, {
      watch: (listener: (change: Change) => void) => {
        told.push(listener);
        return watch(listener);
      },
    }),
  });
  for (const tell of told) tell({ topic: 'lost', id: '', since: performance.now() });
  const answer = await fetch(`${origin}/health/ready`);
  assert.equal(answer.status, 503);
  assert.match(
    ((await answer.json()) as { reason: string }).reason,
    /^changes of the memory store may have been missed/,
  );
});

test('ready does not wait for a store that never answers', async (t) => {
  const store = memoryStore();
  const { origin } = await startAuthority(t, { store });
  Object.assign(store, { ping: () => new Promise(() => undefined) });
  const answers = await Promise.all([1, 2, 3].map(() => fetch(`${origin}/health/ready`)));
  assert.deepEqual(
    answers.map((answer) => answer.status),
    [503, 503, 503],
  );
});

function gone(): Promise<never> {
  return Promise.reject(new StoreError('store_unavailable', 'connect ECONNREFUSED 10.0.0.9:5432'));
}

test('an outage of the store is 503 and says nothing of its insides', async (t) => {
  const store = memoryStore();
  const { origin } = await startAuthority(t, { store });
  Object.assign(store.tokens, { listActive: gone, insert: gone });
  for (const [method, path] of [
    ['GET', '/auth/tokens'],
    ['POST', '/auth/token'],
  ]) {
    const answer = await fetch(origin + path, { method: method ?? '', headers: bearer(adminToken) });
    assert.equal(answer.status, 503);
    assert.ok(answer.headers.get('retry-after'));
    assert.deepEqual(await answer.json(), {
      error: 'Authentication unavailable',
      reason: 'unavailable',
      authenticated: false,
    });
  }
});

test('unknown paths are 404, wrong methods 405 with Allow, in the error form', async (t) => {
  const { origin } = await startAuthority(t);
  const paths = [
    '/auth',
    '/auth/',
    '/auth/nothing',
    '/Auth/token',
    '/AUTH/tokens',
    '/health/x',
    '/info/x',
    '/metrics/x',
    '/auth/tokens/a/b',
    '/admin',
    '/admin/api/status',
    '/dashboard/',
    '/oauth/token',
    '/.well-known/oauth-protected-resource',
    '/.well-known/oauth-authorization-server',
    '/.well-known/oauth-protected-resource/mcp',
    '/auth/verify',
    '/auth/verify/caddy',
    '/auth/verify/__proto__',
    '/auth/toString',
  ];
  for (const path of paths) {
    const answer = await fetch(origin + path, { headers: bearer(adminToken) });
    assert.equal(answer.status, 404, path);
    assert.deepEqual(Object.keys((await answer.json()) as object), ['error', 'reason', 'authenticated']);
  }
  for (const [method, path, allow] of [
    ['GET', '/auth/token', 'POST'],
    ['POST', '/auth/tokens', 'GET, HEAD'],
    ['GET', '/auth/tokens/x', 'DELETE'],
    ['POST', '/health', 'GET, HEAD'],
    ['OPTIONS', '/info', 'GET, HEAD'],
    ['GET', '/mcp', 'POST'],
    ['DELETE', '/mcp', 'POST'],
    ['GET', '/auth/introspect', 'POST'],
  ]) {
    const answer = await fetch(origin + path, { method: method ?? '', headers: bearer(adminToken) });
    assert.equal(answer.status, 405, `${method} ${path}`);
    assert.equal(answer.headers.get('allow'), allow);
    assert.equal(((await answer.json()) as { reason: string }).reason, 'method_not_allowed');
  }
});

test('ambiguous targets and two Host lines are 400', async (t) => {
  const { port } = await startAuthority(t);
  for (const target of [
    '/auth//token',
    '/auth/../auth/token',
    '/auth/%2e%2e/token',
    '/auth%2ftoken',
    '/auth/token;x',
    '/auth\\token',
    'http://localhost/health',
    '/health#x',
    '*',
  ]) {
    const answer = await rawRequest(port, [`GET ${target} HTTP/1.1`, 'Host: localhost']);
    assert.equal(answer.status, 400, target);
  }
  const hosts = await rawRequest(port, ['GET /health HTTP/1.1', 'Host: localhost', 'Host: other']);
  assert.equal(hosts.status, 400);
});

test('an upgrade is answered like any request, and nothing is left of its connection', async (t) => {
  const { port } = await startAuthority(t);
  for (const path of ['/health', '/auth/tokens', '/nothing']) {
    // One that never ends its side, and sends on what nobody reads.
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    t.after(() => socket.destroy());
    let answer = '';
    socket.on('error', () => undefined).on('data', (bytes) => (answer += String(bytes)));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nmore`);
    await t.waitFor(
      () => {
        socket.write('more');
        assert.ok(socket.destroyed, path);
      },
      { timeout: 3000 },
    );
    assert.match(answer, /^HTTP\/1\.1 (?:200|401|404) /, path);
  }
});

test('metrics are open to a loopback peer that nobody stands behind, else to metrics:read', async (t) => {
  const { origin, port } = await startAuthority(t);
  const open = await fetch(`${origin}/metrics`);
  assert.equal(open.status, 200);
  assert.match(open.headers.get('content-type') ?? '', /^text\/plain/);
  assert.match(await open.text(), /countersign_/);
  for (const headers of [
    { forwarded: 'for=1.2.3.4' },
    { via: '1.1 x' },
    { 'x-forwarded-for': '127.0.0.1' },
    { 'x-forwarded-whatever': '1' },
    // Of proxies that say so and nothing else, as many an nginx does with `proxy_http_version 1.1`.
    { 'x-real-ip': '203.0.113.9' },
    { 'cf-connecting-ip': '203.0.113.9' },
  ] as Record<string, string>[]) {
    assert.equal((await fetch(`${origin}/metrics`, { headers })).status, 401);
    assert.equal((await fetch(`${origin}/metrics`, { headers: { ...headers, ...bearer('wrong') } })).status, 401);
    assert.equal((await fetch(`${origin}/metrics`, { headers: { ...headers, ...bearer(adminToken) } })).status, 200);
  }
  // A page whose name was made to mean 127.0.0.1 cannot send another Host than its own.
  for (const host of ['evil.example', 'evil.example:8700', '127.0.0.1.evil.example']) {
    const lines = ['GET /metrics HTTP/1.1', `Host: ${host}`];
    assert.equal((await rawRequest(port, lines)).status, 401, host);
    assert.equal((await rawRequest(port, [...lines, `Authorization: Bearer ${adminToken}`])).status, 200, host);
  }
  // As nginx asks that was told nothing but proxy_pass.
  const asked = ['GET /metrics HTTP/1.0', `Host: 127.0.0.1:${port}`];
  assert.equal((await rawRequest(port, asked)).status, 401);
  assert.equal((await rawRequest(port, [...asked, `Authorization: Bearer ${adminToken}`])).status, 200);
  const mint = async (scopes: string[]): Promise<string> => {
    const answer = await fetch(`${origin}/auth/token`, {
      method: 'POST',
      headers: bearer(adminToken),
      body: JSON.stringify({ scopes }),
    });
    return ((await answer.json()) as { data: { token: string } }).data.token;
  };
  const via = { via: '1.1 proxy' };
  assert.equal(
    (await fetch(`${origin}/metrics`, { headers: { ...via, ...bearer(await mint(['metrics:read'])) } })).status,
    200,
  );
  assert.equal(
    (await fetch(`${origin}/metrics`, { headers: { ...via, ...bearer(await mint(['other'])) } })).status,
    403,
  );
});

test('in dev mode every answer says so, and the authority still enforces', async (t) => {
  const { origin } = await startAuthority(t, { devMode: true });
  for (const path of ['/health', '/auth/tokens', '/nothing', '/auth/verify/nginx']) {
    const answer = await fetch(origin + path);
    assert.equal(answer.headers.get('x-countersign-dev'), 'unauthenticated', path);
  }
  assert.equal((await fetch(`${origin}/auth/tokens`)).status, 401);
});

test('introspection tells the admin and the owner, and nobody else', async (t) => {
  const { origin, advance } = await startAuthority(t);
  const mint = async (body: object): Promise<{ token: string; token_id: string }> => {
    const answer = await fetch(`${origin}/auth/token`, {
      method: 'POST',
      headers: bearer(adminToken),
      body: JSON.stringify(body),
    });
    return ((await answer.json()) as { data: { token: string; token_id: string } }).data;
  };
  const ask = async (token: string, as: string): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${origin}/auth/introspect`, {
      method: 'POST',
      headers: bearer(as),
      body: new URLSearchParams({ token }),
    });
    assert.equal(answer.status, 200);
    return (await answer.json()) as Record<string, unknown>;
  };
  const mine = await mint({ scopes: ['a:b', 'c:d'], client_id: 'me', ttl_hours: 1 });
  const other = await mint({});
  const known = await ask(mine.token, adminToken);
  assert.deepEqual(Object.keys(known), ['active', 'scope', 'client_id', 'token_type', 'exp', 'iat', 'sub', 'jti']);
  assert.equal(known['active'], true);
  assert.equal(known['scope'], 'a:b c:d');
  assert.equal(known['client_id'], 'me');
  assert.equal(known['token_type'], 'Bearer');
  assert.equal(known['sub'], `token:${mine.token_id}`);
  assert.ok(Number.isInteger(known['exp']) && Number.isInteger(known['iat']));
  assert.deepEqual(await ask(mine.token, mine.token), known);
  assert.deepEqual(await ask(mine.token, other.token), { active: false });
  assert.deepEqual(await ask('unknown', adminToken), { active: false });
  advance(3601);
  assert.deepEqual(await ask(mine.token, adminToken), { active: false });

  const status = async (init: RequestInit): Promise<number> =>
    (await fetch(`${origin}/auth/introspect`, { method: 'POST', ...init })).status;
  assert.equal(await status({ body: new URLSearchParams({ token: 'x' }) }), 401);
  assert.equal(await status({ headers: bearer(adminToken), body: '{"token":"x"}' }), 400);
  assert.equal(await status({ headers: bearer(adminToken), body: new URLSearchParams({}) }), 400);
  assert.equal(
    await status({
      headers: bearer(adminToken),
      body: new URLSearchParams([
        ['token', 'a'],
        ['token', 'b'],
      ]),
    }),
    400,
  );
});

test('revocation: unknown is 200, an owner ends its own, a stranger cannot', async (t) => {
  const { origin, stack, adminOrigin } = await startAuthority(t);
  const mint = async (): Promise<string> => {
    const answer = await fetch(`${origin}/auth/token`, { method: 'POST', headers: bearer(adminToken) });
    return ((await answer.json()) as { data: { token: string } }).data.token;
  };
  const end = async (token: string, as: string): Promise<number> => {
    const answer = await fetch(`${origin}/auth/revoke`, {
      method: 'POST',
      headers: bearer(as),
      body: new URLSearchParams({ token, token_type_hint: 'access_token' }),
    });
    await answer.text();
    return answer.status;
  };
  const [mine, other] = [await mint(), await mint()];
  assert.equal(await end('unknown', adminToken), 200);
  assert.equal(await end(mine, other), 403);
  assert.equal(await end(mine, mine), 200);
  assert.equal(await end(mine, mine), 401, 'what is revoked proves nobody');
  assert.equal(await end(other, adminToken), 200);
  assert.equal((await stack.tokens.listActive(10)).length, 0);

  const created = await fetch(`${adminOrigin}/admin/api/keys`, {
    method: 'POST',
    headers: bearer(adminToken),
    body: '{"service":"aidb"}',
  });
  const { data } = (await created.json()) as { data: { key: string; id: string } };
  assert.equal(await end(data.key, data.key), 200);
  assert.ok((await stack.store.keys.get(data.id))?.revokedAt);

  // A leaked HMAC secret is no token, but revoking it must not look done when it is not.
  const secret = await createKey(stack.store, stack.seal, {
    service: 'aidb',
    kind: 'hs',
    expiresAt: null,
    now: stack.clock(),
  });
  assert.equal(await end(secret.key, adminToken), 200);
  assert.ok((await stack.store.keys.get(secret.record.id))?.revokedAt);
});

test('no bytes, methods, paths or headers make it fail: 4xx, never 5xx', async (t) => {
  const { port } = await startAuthority(t);
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH');
  const segment = fc.oneof(
    fc.constantFrom(
      'auth',
      'token',
      'tokens',
      'verify',
      'nginx',
      'forward',
      'envoy',
      'mcp',
      'health',
      'introspect',
      'revoke',
      '..',
      '%2e',
      '%00',
    ),
    fc.stringMatching(/^[!-~]{0,12}$/),
  );
  const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
  const header = fc.tuple(
    fc.constantFrom(
      'Authorization',
      'x-api-key',
      'X-Forwarded-For',
      'X-Original-URI',
      'Content-Type',
      'Origin',
      'Cookie',
      'Content-Encoding',
    ),
    fc.stringMatching(/^[ -~]{0,40}$/),
  );
  const body = fc.stringMatching(/^[ -~]{0,60}$/);
  await fc.assert(
    fc.asyncProperty(method, path, fc.array(header, { maxLength: 5 }), body, async (verb, target, headers, text) => {
      const lines = headers.map(([name, value]) => `${name}: ${value}`);
      const answer = await rawRequest(
        port,
        [
          `${verb} ${target.replaceAll(' ', '')} HTTP/1.1`,
          'Host: localhost',
          `Content-Length: ${text.length}`,
          ...lines,
        ],
        text,
      );
      assert.ok(answer.status >= 200 && answer.status < 500, `${verb} ${target}: ${answer.status}`);
    }),
    { numRuns: 500 },
  );
});

test('what the authority refuses is a log line with what only the operator is told, and no evidence about a service', async (t) => {
  const store = memoryStore();
  const lines: Record<string, unknown>[] = [];
  const { origin, adminOrigin, stack } = await startAuthority(t, {
    store,
    logLine: (line) => void lines.push(JSON.parse(line)),
  });
  const { key, record } = await createKey(store, stack.seal, {
    service: 'aidb',
    kind: 'sk',
    expiresAt: null,
    now: stack.clock(),
  });
  await until(() => stack.keyring.isLive(record.id));
  const ask = async (
    url: string,
    headers: Record<string, string>,
    method = 'GET',
  ): Promise<Record<string, unknown>> => {
    const { status } = await fetch(url, { method, headers });
    assert.equal(lines.length, 1, `one line for ${method} ${url}: ${status}`);
    const [line = {}] = lines.splice(0);
    assert.equal(line['event'], 'authority.refused');
    assert.equal(line['client_address'], '127.0.0.1');
    return line;
  };

  const known = await ask(`${origin}/auth/token?secret=1`, bearer(key), 'POST');
  assert.deepEqual(
    [known['reason'], known['principal'], known['scheme'], known['method'], known['path'], known['level']],
    ['insufficient_scope', 'service:aidb', 'api-key', 'POST', '/auth/token', 'warn'],
  );
  assert.match(String(known['note']), /admin:tokens/);
  const stranger = await ask(`${origin}/auth/tokens`, bearer('wrong'));
  assert.deepEqual([stranger['reason'], stranger['principal']], ['invalid_credentials', '']);
  const misplaced = await ask(`${origin}/auth/tokens/${key}`, {}, 'DELETE');
  assert.ok(!JSON.stringify(misplaced).includes(key.slice(-20)), 'no secret that stands in a path');
  const page = await ask(`${adminOrigin}/admin/api/services`, {});
  assert.deepEqual([page['reason'], page['path']], ['missing_credentials', '/admin/api/services']);

  store.tokens.listActive = () => Promise.reject(new StoreError('store_unavailable', 'the disk is on fire'));
  const outage = await ask(`${origin}/auth/tokens`, bearer(adminToken));
  assert.deepEqual([outage['reason'], outage['level']], ['unavailable', 'error']);
  assert.match(String(outage['note']), /on fire/);

  assert.equal((await fetch(`${origin}/auth/verify/forward`)).status, 403);
  assert.deepEqual(
    lines.map(({ event }) => event),
    ['auth.decision'],
    'a verdict about a service is a decision',
  );
});
