import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test, type TestContext } from 'node:test';
import {
  bearer,
  rawRequest,
  startAuthority,
  type AuthorityFixture,
  type RawAnswer,
} from '../../../test/fixtures/authority-stack.ts';
import { createKey } from '../../keys/create.ts';
import { signServiceRequest } from '../../schemes/service-signature/index.ts';

const yaml = `mode: enforce
trustedProxies: [127.0.0.1/32]
callers: [aidb, main-backend]
services:
  echo:
    upstream: http://127.0.0.1:1
    hosts: [echo.example.org]
    routes:
      - { path: /open, access: public }
      - { path: /aidb-only, callers: [aidb] }
      - { path: /scoped, scopes: [embed:write] }
      - { path: /near, allowedIps: [192.0.2.0/24] }
      - { path: /reported, callers: [aidb], mode: report }
      - { path: /unguarded, mode: 'off' }
  second: { upstream: 'http://127.0.0.1:1' }
`;

const identity = ['x-auth-request-user', 'x-auth-principal', 'x-auth-scopes', 'x-auth-mode'] as const;

interface Fixture extends AuthorityFixture {
  readonly key: string;
  readonly hmac: string;
}

async function start(t: TestContext, text = yaml): Promise<Fixture> {
  const fixture = await startAuthority(t, { yaml: text });
  const { store, seal, clock } = fixture.stack;
  const order = { service: 'main-backend', expiresAt: null, now: clock() };
  const { key } = await createKey(store, seal, { ...order, kind: 'sk' });
  const hmac = await createKey(store, seal, { ...order, kind: 'hs' });
  return { ...fixture, key, hmac: hmac.key };
}

function nginx(
  port: number,
  uri: string,
  lines: readonly string[] = [],
  verify = '/auth/verify/nginx',
  method = 'GET',
): Promise<RawAnswer> {
  return rawRequest(port, [
    `${method} ${verify} HTTP/1.1`,
    'Host: auth.internal',
    'X-Original-Method: GET',
    `X-Original-URI: ${uri}`,
    'X-Original-Host: stack.example.org',
    'X-Original-Proto: https',
    ...lines,
  ]);
}

function forward(
  port: number,
  uri: string,
  lines: readonly string[] = [],
  host = 'stack.example.org',
): Promise<RawAnswer> {
  return rawRequest(port, [
    'GET /auth/verify/forward HTTP/1.1',
    'Host: auth.internal',
    'X-Forwarded-Method: GET',
    `X-Forwarded-Uri: ${uri}`,
    `X-Forwarded-Host: ${host}`,
    'X-Forwarded-Proto: https',
    ...lines,
  ]);
}

function auth(key: string): string {
  return `Authorization: Bearer ${key}`;
}

function allowed(answer: RawAnswer, values: readonly string[]): void {
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.body, '');
  assert.equal(answer.headers['content-length'], '0');
  assert.deepEqual(
    identity.map((name) => answer.headers[name]),
    values,
  );
}

function refused(answer: RawAnswer, status: number, reason: string): void {
  assert.equal(answer.status, status, answer.body);
  assert.equal((JSON.parse(answer.body) as { reason: string }).reason, reason);
  for (const name of identity) assert.equal(answer.headers[name], undefined);
  if (status === 401 || status === 403) assert.match(answer.headers['www-authenticate'] ?? '', /realm="countersign"/);
}

test('who asks how to log in is told that there is nothing, where the proxy passes that on', async (t) => {
  const { port } = await start(t);
  const path = '/.well-known/oauth-protected-resource';
  for (const lines of [[], [auth('unknown')]]) {
    const asked = [
      await forward(port, `/echo${path}`, lines),
      await forward(port, path, lines, 'echo.example.org'),
      await rawRequest(port, [`GET /auth/verify/envoy/echo${path} HTTP/1.1`, 'Host: stack.example.org', ...lines]),
    ];
    for (const answer of asked) {
      refused(answer, 404, 'not_found');
      assert.equal(answer.headers['www-authenticate'], undefined);
    }
    // nginx knows of 401 and 403 only: anything else is an error of ours to it.
    assert.equal((await nginx(port, `/echo${path}`, lines)).status, 401);
  }
});

test('every dialect allows with exactly 200, no body and all identity headers', async (t) => {
  const { port, key } = await start(t);
  const me = ['main-backend', 'service:main-backend', '', 'enforce'];
  allowed(await nginx(port, '/echo/x?y=1', [auth(key)]), me);
  allowed(await forward(port, '/echo/x', [`x-api-key: ${key}`]), me);
  allowed(
    await rawRequest(port, [
      'GET /auth/verify/ingress-nginx HTTP/1.1',
      'Host: auth.internal',
      'X-Original-Method: POST',
      'X-Original-URL: https://stack.example.org/echo/x?y',
      auth(key),
    ]),
    me,
  );
  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
    allowed(
      await rawRequest(port, [
        `${method} /auth/verify/envoy/echo/x?y=1 HTTP/1.1`,
        'Host: stack.example.org',
        auth(key),
      ]),
      me,
    );
  allowed(
    await rawRequest(port, ['GET /auth/verify/envoy/anything HTTP/1.1', 'Host: echo.example.org:8443', auth(key)]),
    me,
  );
});

test('a method that the gateway would not take is no method here either', async (t) => {
  const { port } = await start(t);
  const asked = (method: string): Promise<RawAnswer> =>
    rawRequest(port, [
      'GET /auth/verify/forward HTTP/1.1',
      'Host: auth.internal',
      `X-Forwarded-Method: ${method}`,
      'X-Forwarded-Uri: /echo/open',
      'X-Forwarded-Host: stack.example.org',
      'X-Forwarded-Proto: https',
    ]);
  for (const method of ['GET', 'DELETE', 'PROPFIND', 'M-SEARCH', 'QUERY'])
    assert.equal((await asked(method)).status, 200);
  // Upstreams that read 'delete' as DELETE would be reached past the rule for it; a TRACE shows what the proxy adds.
  for (const method of ['delete', 'Get', 'TRACE', 'CONNECT', 'GETS']) refused(await asked(method), 400, 'bad_request');
  refused(await rawRequest(port, ['TRACE /auth/verify/envoy/echo/open HTTP/1.1', 'Host: a']), 400, 'bad_request');
});

test('any method asks, and a body is neither needed nor read', async (t) => {
  const { port, key } = await start(t);
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
    const answer = await nginx(port, '/echo/x', [auth(key)], '/auth/verify/nginx', method);
    assert.equal(answer.status, 200, method);
  }
  // The length that is promised never comes: whoever reads a body would wait for it.
  const answer = await nginx(
    port,
    '/echo/open',
    ['Content-Length: 1000000', 'Expect: 100-continue'],
    '/auth/verify/nginx',
    'POST',
  );
  assert.equal(answer.status, 200);
});

test('refusals are those of the guard, byte for byte', async (t) => {
  const { port, key, stack } = await start(t);
  refused(await nginx(port, '/echo/x'), 401, 'missing_credentials');
  refused(await nginx(port, '/echo/x', ['Authorization: Basic YTpi']), 401, 'malformed_credentials');
  refused(await nginx(port, '/echo/x', [auth('wrong')]), 401, 'invalid_credentials');
  refused(await nginx(port, '/echo/aidb-only', [auth(key)]), 403, 'not_allowed');
  refused(await nginx(port, '/echo/scoped', [auth(key)]), 403, 'insufficient_scope');
  refused(await nginx(port, '/nobody/x', [auth(key)]), 404, 'no_such_service');
  for (const uri of [
    '/echo//x',
    '/echo/../x',
    '/echo/%2e%2e/x',
    '/echo%2fx',
    '/echo/x;y',
    'echo/x',
    'http://a/echo',
    '/echo/%25%32%65',
  ])
    refused(await nginx(port, uri, [auth(key)]), 400, 'bad_request');
  const denied = await nginx(port, '/echo/x', ['X-Request-Id: abc']);
  let seen: unknown = null;
  const request = {
    method: 'GET',
    target: '/echo/x',
    path: '/x',
    service: 'echo',
    authority: '',
    protocol: 'https' as const,
    remoteAddress: '127.0.0.1',
    requestId: '',
    fields: () => [],
    bodyPresence: 'unseen' as const,
    body: () => Promise.reject(new Error('unread')),
  };
  const { verdict } = await stack.guard.decide(request);
  if (verdict && !verdict.allowed) seen = stack.guard.refusal(verdict, 'echo');
  assert.ok(seen);
  const { status, headers, body } = seen as { status: number; headers: Record<string, string>; body: string };
  assert.equal(denied.status, status);
  assert.equal(denied.body, body);
  const { date: _date, connection: _connection, 'x-countersign-refusal': _refusal, ...sent } = denied.headers;
  assert.deepEqual(sent, headers);
});

test('public routes and modes report and off pass with their identity headers', async (t) => {
  const { port, key } = await start(t);
  allowed(await nginx(port, '/echo/open'), ['', '', '', 'enforce']);
  allowed(await nginx(port, '/echo/reported'), ['', '', '', 'report']);
  allowed(await nginx(port, '/echo/reported', [auth('wrong')]), ['', '', '', 'report']);
  allowed(await nginx(port, '/echo/reported', [auth(key)]), ['', '', '', 'report']);
  allowed(await nginx(port, '/echo/unguarded', [auth('wrong')]), ['', '', '', 'off']);
});

test('a peer that is no trusted proxy is refused in every dialect', async (t) => {
  const { port, key } = await start(t, yaml.replace('trustedProxies: [127.0.0.1/32]\n', ''));
  refused(await nginx(port, '/echo/open', [auth(key)]), 403, 'address_not_allowed');
  const stranger = await forward(port, '/echo/open', ['X-Forwarded-For: 127.0.0.1']);
  refused(stranger, 403, 'address_not_allowed');
  assert.equal((JSON.parse(stranger.body) as { authenticated: boolean }).authenticated, false);
  refused(await rawRequest(port, ['GET /auth/verify/envoy/echo/open HTTP/1.1', 'Host: a']), 403, 'address_not_allowed');
  refused(await rawRequest(port, ['POST /auth/verify/ingress-nginx HTTP/1.1', 'Host: a']), 403, 'address_not_allowed');
});

test('each dialect reads its own description only', async (t) => {
  const { port } = await start(t);
  // Behind Caddy or Traefik a client sends what nginx would: it must change nothing.
  const spoof = [
    'X-Original-URI: /echo/open',
    'X-Original-Method: GET',
    'X-Original-URL: http://a/echo/open',
    'X-Original-Host: a',
  ];
  refused(await forward(port, '/echo/x', spoof), 401, 'missing_credentials');
  const other = [
    'X-Forwarded-Uri: /echo/open',
    'X-Forwarded-Method: GET',
    'X-Forwarded-Host: a',
    'X-Original-URL: http://a/echo/open',
  ];
  refused(await nginx(port, '/echo/x', other), 401, 'missing_credentials');
  refused(
    await rawRequest(port, [
      'GET /auth/verify/envoy/echo/x HTTP/1.1',
      'Host: stack.example.org',
      ...spoof,
      ...other.slice(0, 3),
      'X-Envoy-Original-Path: /echo/open',
    ]),
    401,
    'missing_credentials',
  );
  // Without its own description nothing is asked at all.
  refused(await rawRequest(port, ['GET /auth/verify/forward HTTP/1.1', 'Host: a', ...spoof]), 400, 'bad_request');
});

test("the service is never taken from Envoy's query, which is the client's", async (t) => {
  const { port } = await start(
    t,
    yaml.replace('  second: {', '  loose: { upstream: "http://127.0.0.1:1", mode: "off" }\n  second: {'),
  );
  refused(
    await rawRequest(port, ['GET /auth/verify/envoy/echo/x?service=loose HTTP/1.1', 'Host: a']),
    401,
    'missing_credentials',
  );
});

test('identity headers that the client sends are not its identity', async (t) => {
  const { port } = await start(t);
  const spoof = [
    'X-Auth-Principal: service:aidb',
    'X-Auth-Request-User: aidb',
    'X-Auth-Scopes: embed:write',
    'X-Auth-Mode: off',
  ];
  refused(await nginx(port, '/echo/aidb-only', spoof), 401, 'missing_credentials');
  allowed(await nginx(port, '/echo/open', spoof), ['', '', '', 'enforce']);
});

test('a description that is missing, doubled or unreadable is 400', async (t) => {
  const { port, key } = await start(t);
  const head = ['GET /auth/verify/nginx HTTP/1.1', 'Host: a', auth(key)];
  const full = [
    'X-Original-Method: GET',
    'X-Original-URI: /echo/open',
    'X-Original-Host: stack.example.org',
    'X-Original-Proto: https',
  ];
  assert.equal((await rawRequest(port, [...head, ...full])).status, 200);
  for (let left = 0; left < 3; left += 1)
    refused(await rawRequest(port, [...head, ...full.filter((_, index) => index !== left)]), 400, 'bad_request');
  for (const line of full) refused(await rawRequest(port, [...head, ...full, line]), 400, 'bad_request');
  for (const [name, value] of [
    ['X-Original-Method', 'GE T'],
    ['X-Original-Method', ''],
    ['X-Original-Host', 'a,b'],
    ['X-Original-Host', 'a/b'],
    ['X-Original-Host', 'user@a'],
    ['X-Original-Proto', 'ftp'],
    ['X-Original-Proto', 'https,http'],
    ['X-Original-URI', 'echo'],
  ])
    refused(
      await rawRequest(port, [...head, ...full.filter((line) => !line.startsWith(`${name}:`)), `${name}: ${value}`]),
      400,
      'bad_request',
    );
  for (const url of ['/echo/open', 'ftp://a/echo/open', 'http:///echo/open', ''])
    refused(
      await rawRequest(port, [
        'GET /auth/verify/ingress-nginx HTTP/1.1',
        'Host: a',
        'X-Original-Method: GET',
        `X-Original-URL: ${url}`,
      ]),
      400,
      'bad_request',
    );
});

test('the service is the one the verify URL names, else the host, else the first segment', async (t) => {
  const { port, key } = await start(t);
  const verify = '/auth/verify/nginx?service=echo';
  // Named: the path is the service's own, prefix and all.
  assert.equal((await nginx(port, '/open', [], verify)).status, 200);
  refused(await nginx(port, '/echo/open', [], verify), 401, 'missing_credentials');
  refused(await nginx(port, '/open', [], '/auth/verify/nginx?service=nobody'), 404, 'no_such_service');
  refused(await nginx(port, '/open', [], '/auth/verify/nginx?service=echo&service=second'), 400, 'bad_request');
  const onlyUri = [
    'GET /auth/verify/nginx?service=echo HTTP/1.1',
    'Host: a',
    'X-Original-Method: GET',
    'X-Original-URI: /open',
  ];
  assert.equal((await rawRequest(port, onlyUri)).status, 200, 'with the service named the host may be left out');
  // By host, in any case and with any port.
  assert.equal((await forward(port, '/open', [], 'ECHO.example.org:8443')).status, 200);
  refused(await forward(port, '/second/open', [], 'echo.example.org'), 401, 'missing_credentials');
  // By segment.
  assert.equal((await forward(port, '/second', [auth(key)])).status, 200);
  assert.equal((await forward(port, '/echo/open')).status, 200);
  refused(await forward(port, '/auth/token', [auth(key)]), 404, 'no_such_service');
});

test('a prefix that the verify URL names is taken off the path, and a path without it is no path of the service', async (t) => {
  const { port, key } = await start(t);
  const verify = '/auth/verify/nginx?service=echo&prefix=/api/echo';
  // Neither host nor path makes it another service: echo.example.org is echo's, /second/ the other's.
  for (const host of ['stack.example.org', 'echo.example.org']) {
    const ask = (uri: string, lines: readonly string[] = [], url = verify): Promise<RawAnswer> =>
      rawRequest(port, [
        `GET ${url} HTTP/1.1`,
        'Host: auth.internal',
        'X-Original-Method: GET',
        `X-Original-URI: ${uri}`,
        `X-Original-Host: ${host}`,
        ...lines,
      ]);
    assert.equal((await ask('/api/echo/open?x=1')).status, 200);
    assert.equal((await ask('/api/%65cho/open')).status, 200);
    refused(await ask('/api/echo/aidb-only', [auth(key)]), 403, 'not_allowed');
    refused(await ask('/api/echo'), 401, 'missing_credentials');
    for (const uri of ['/open', '/echo/open', '/second/open', '/api/echoes/open', '/api/Echo/open', '/api'])
      refused(await ask(uri, [auth(key)]), 404, 'no_such_service');
    refused(await ask('/api/echo/../open', [auth(key)]), 400, 'bad_request');
    assert.equal((await ask('/open', [], '/auth/verify/nginx?service=echo&prefix=')).status, 200);
    for (const url of [
      '/auth/verify/nginx?prefix=/api/echo',
      '/auth/verify/nginx?service=&prefix=/api/echo',
      '/auth/verify/nginx?service=&prefix=',
      `${verify}&prefix=/api`,
      '/auth/verify/nginx?service=echo&prefix=api',
      `${verify}/`,
    ])
      refused(await ask('/api/echo/open', [], url), 400, 'bad_request');
  }
});

test('nginx, which throws the body of an answer away, is told the refusal in a header as well', async (t) => {
  const { port, key } = await start(t);
  for (const uri of ['/echo/x', '/echo/aidb-only', '/nobody/x', '/echo//x']) {
    const answer = await nginx(port, uri, uri === '/echo/x' ? [] : [auth(key)]);
    assert.equal(answer.headers['x-countersign-refusal'], answer.body);
  }
  const ingress = await rawRequest(port, [
    'GET /auth/verify/ingress-nginx HTTP/1.1',
    'Host: a',
    'X-Original-Method: GET',
    'X-Original-URL: http://a/echo/x',
  ]);
  assert.equal(ingress.headers['x-countersign-refusal'], ingress.body);
  assert.equal((await nginx(port, '/echo/open')).headers['x-countersign-refusal'], undefined);
  assert.equal((await forward(port, '/echo/x')).headers['x-countersign-refusal'], undefined);
});

test('a header that an upstream could take for the identity or the description is refused, since no proxy takes it off', async (t) => {
  const { port, key } = await start(t);
  for (const name of [
    'X_Auth_Principal',
    'X-Auth_Principal',
    'x.auth.principal',
    'X!Auth-Scopes',
    'X_Auth_Email',
    'X_Forwarded_For',
    'X-Forwarded_Proto',
    'X_Real_IP',
    'X_Original_URL',
    'X_Rewrite_URL',
    'X_HTTP_Method_Override',
    'X_Override_Token',
  ])
    for (const uri of ['/echo/x', '/echo/open', '/echo/reported', '/echo/unguarded'])
      refused(await forward(port, uri, [auth(key), `${name}: x`]), 400, 'bad_request');
  for (const name of ['X-Auth-Email', 'X_Request_Id', 'X_Auth_Token', 'X-Real-IP', 'X_Authority'])
    assert.equal((await forward(port, '/echo/x', [auth(key), `${name}: x`])).status, 200, name);
});

test("where the route enforces so is another proxy's word for who is asking, in no spelling that a proxy takes off", async (t) => {
  const { port, key } = await start(t);
  for (const name of ['Remote_User', 'X.Remote.User', 'X_WEBAUTH_USER', 'SSL_CLIENT_VERIFY', 'Client_Cert']) {
    for (const uri of ['/echo/x', '/echo/open'])
      refused(await forward(port, uri, [auth(key), `${name}: x`]), 400, 'bad_request');
    for (const uri of ['/echo/reported', '/echo/unguarded'])
      assert.equal((await forward(port, uri, [auth(key), `${name}: x`])).status, 200, name);
  }
  assert.equal((await forward(port, '/echo/x', [auth(key), 'Remote-User: x'])).status, 200);
});

test('what nothing else means goes to the service mounted at the root, reserved paths excepted', async (t) => {
  const { port, key } = await start(t, `${yaml}  site: { upstream: 'http://127.0.0.1:1', mount: / }\n`);
  assert.equal((await nginx(port, '/some/page', [auth(key)])).status, 200);
  refused(await nginx(port, '/some/page'), 401, 'missing_credentials');
  for (const uri of ['/auth/token', '/Admin/x', '/.well-known/x'])
    refused(await nginx(port, uri, [auth(key)]), 404, 'no_such_service');
});

test('the client is the rightmost untrusted address, and only a trusted proxy is asked for it', async (t) => {
  const { port, key } = await start(t);
  const near = (chain: string): Promise<RawAnswer> =>
    nginx(port, '/echo/near', [auth(key), `X-Forwarded-For: ${chain}`]);
  assert.equal((await near('192.0.2.7')).status, 200);
  assert.equal((await near('10.0.0.1, 192.0.2.7')).status, 200);
  assert.equal((await near('192.0.2.7, 127.0.0.1')).status, 200);
  assert.equal((await near('192.0.2.7:4711')).status, 200);
  refused(await near('192.0.2.7, 10.0.0.1'), 403, 'address_not_allowed');
  refused(await nginx(port, '/echo/near', [auth(key)]), 403, 'address_not_allowed');
});

test("a signature is checked against the original request, not against the proxy's question", async (t) => {
  const { port, hmac, clock } = await start(t).then((fixture) => ({ ...fixture, clock: fixture.stack.clock }));
  const sign = (method: string, target: string): string[] => {
    const { headers } = signServiceRequest({
      serviceId: 'main-backend',
      secret: hmac,
      method,
      target,
      timestamp: Math.floor(clock()),
    });
    return Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  };
  allowed(await nginx(port, '/echo/x?y=1', sign('GET', '/echo/x?y=1')), [
    'main-backend',
    'service:main-backend',
    '',
    'enforce',
  ]);
  refused(await nginx(port, '/echo/x', sign('POST', '/echo/x')), 401, 'invalid_signature');
  refused(await nginx(port, '/echo/x', sign('GET', '/auth/verify/nginx')), 401, 'invalid_signature');
  assert.equal(
    (await rawRequest(port, ['PUT /auth/verify/envoy/echo/x HTTP/1.1', 'Host: a', ...sign('PUT', '/echo/x')])).status,
    200,
  );
});

test('WebSocket schemes of Traefik are http and https', async (t) => {
  const { port } = await start(t);
  const answer = await rawRequest(port, [
    'GET /auth/verify/forward HTTP/1.1',
    'Host: a',
    'X-Forwarded-Method: GET',
    'X-Forwarded-Uri: /echo/open',
    'X-Forwarded-Host: b',
    'X-Forwarded-Proto: wss',
    'Sec-WebSocket-Version: 13',
  ]);
  assert.equal(answer.status, 200);
});

test("a WebSocket's handshake is asked about like any request", async (t) => {
  const { port, key } = await start(t);
  const upgrade = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
  ];
  allowed(await nginx(port, '/echo/x', [auth(key), ...upgrade]), [
    'main-backend',
    'service:main-backend',
    '',
    'enforce',
  ]);
  refused(await nginx(port, '/echo/x', upgrade), 401, 'missing_credentials');
});

test('a question of a trusted proxy is told apart before hosts are looked at', async (t) => {
  for (const [text, asks] of [
    [yaml, true],
    [yaml.replace('trustedProxies: [127.0.0.1/32]\n', ''), false],
  ] as const) {
    const { authority } = await startAuthority(t, { yaml: text });
    const from = (url: string) =>
      authority.asksForVerdict({ url, socket: { remoteAddress: '127.0.0.1' } } as IncomingMessage);
    assert.equal(from('/auth/verify/envoy/x?y'), asks);
    assert.equal(from('/auth/verify/forward?service=echo'), asks);
    for (const url of ['/auth/verify', '/auth/verify/other', '/echo/auth/verify/nginx', '/auth//verify/nginx', '*'])
      assert.equal(from(url), false, url);
  }
});

test('every decision is recorded under the service that was asked for, and strangers invent no names', async (t) => {
  const { port, stack } = await start(t);
  await nginx(port, '/echo/x');
  await nginx(port, '/invented-name/x');
  await stack.audit.flush();
  const rows = await stack.store.decisions.list({ limit: 10 });
  assert.deepEqual(
    rows.map((row) => [row.service, row.reason]),
    [
      ['echo', 'missing_credentials'],
      ['', 'no_such_service'],
    ],
  );
  assert.ok(
    !(
      await fetch(`http://127.0.0.1:${port}/metrics`, { headers: bearer('x') }).then((answer) => answer.text())
    ).includes('invented-name'),
  );
});

test('a question that cannot be read is recorded as that of the client behind the proxy', async (t) => {
  const { port, stack } = await start(t);
  const head = [
    'GET /auth/verify/envoy/echo//x HTTP/1.1',
    'Host: a',
    'X-Forwarded-For: 198.51.100.7',
    'X-Request-Id: t-1',
  ];
  refused(await rawRequest(port, head), 400, 'bad_request');
  await stack.audit.flush();
  const [row] = await stack.store.decisions.list({ limit: 1 });
  assert.deepEqual([row?.clientAddress, row?.requestId], ['198.51.100.7', 't-1']);
});

test('a host with the final dot of DNS is the same host, since proxies take it for the same', async (t) => {
  const { port, key } = await start(t);
  // Read as nobody's host, these paths would be judged as those of another service, whose /open is public.
  for (const host of ['echo.example.org.', 'Echo.Example.Org.:8443']) {
    refused(await forward(port, '/echo/open', [], host), 401, 'missing_credentials');
    allowed(await forward(port, '/open', [], host), ['', '', '', 'enforce']);
    allowed(await forward(port, '/echo/open', [auth(key)], host), [
      'main-backend',
      'service:main-backend',
      '',
      'enforce',
    ]);
  }
});

test('a request that is marked as a probe is never let through: only the gateway answers it by itself', async (t) => {
  const { port, key } = await start(t);
  const lines = [`X-Api-Key: ${key}`, 'X-Countersign-Probe: one'];
  for (const uri of ['/echo/x', '/echo/open', '/echo/unguarded'])
    assert.equal((await nginx(port, uri, lines)).status, 403);
  assert.equal((await nginx(port, '/echo/x', lines.slice(0, 1))).status, 200);
});
