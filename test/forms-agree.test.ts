/** Gateway and forward auth give the same verdict, byte for byte, on the same request: sent to both, whatever it is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import * as fc from './fixtures/properties.ts';
import { createGateway } from '../src/gateway/gateway.ts';
import { createKey } from '../src/keys/create.ts';
import { signServiceRequest } from '../src/schemes/service-signature/index.ts';
import { rawRequest, startAuthority, type RawAnswer } from './fixtures/authority-stack.ts';
import { mintRequest } from './fixtures/mint-request.ts';

const routes = `
    routes:
      - { path: /open, access: public }
      - { path: /aidb-only, callers: [aidb] }
      - { path: /scoped, scopes: [embed:write] }
      - { path: /far, allowedIps: [192.0.2.0/24] }
      - { path: /read, methods: [GET] }
      - { path: '/models/:name', access: service }
      - { path: /reported/*, mode: report }
      - { path: /unguarded, mode: 'off' }
      - { path: /operators, access: operator }
`;

test('the gateway and forward auth agree on every request', async (t) => {
  let reached = 0;
  const upstream = createServer((req, res) => {
    reached += 1;
    req.resume();
    res.end();
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const target = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  const yaml = `mode: enforce
trustedProxies: [127.0.0.1/32]
callers: [aidb, main-backend]
services:
  echo:
    upstream: ${target}
    hosts: [echo.example.org]${routes}
  own:
    upstream: ${target}
    authorization: upstream
`;
  const { port, stack } = await startAuthority(t, { yaml });
  const gateway = createGateway(stack);
  const front = createServer((req, res) => gateway.handle(req, res)).listen(0, '127.0.0.1');
  await once(front, 'listening');
  const frontPort = (front.address() as AddressInfo).port;
  t.after(async () => {
    for (const server of [front, upstream]) {
      server.closeAllConnections();
      server.close();
    }
    await gateway.close();
  });

  const order = { expiresAt: null, now: stack.clock() };
  const { store, seal } = stack;
  const sk = await createKey(store, seal, { ...order, service: 'main-backend', kind: 'sk' });
  const hs = await createKey(store, seal, { ...order, service: 'main-backend', kind: 'hs' });
  const dead = await createKey(store, seal, { ...order, service: 'main-backend', kind: 'sk' });
  await store.keys.revoke(dead.record.id, stack.clock());
  const minted = await stack.tokens.mint({ ...mintRequest, ttlSeconds: 600, scopes: ['embed:write'] });

  const method = fc.constantFrom('GET', 'POST', 'DELETE', 'OPTIONS', 'PROPFIND', 'TRACE');
  const host = fc.constantFrom('stack.example.org', 'echo.example.org', 'ECHO.example.org:8443');
  const path = fc.oneof(
    fc
      .constantFrom(
        '/open',
        '/aidb-only',
        '/scoped',
        '/far',
        '/read',
        '/models/a',
        '/models/a/b',
        '/reported/x',
        '/unguarded',
        '/operators',
        '/',
        '',
      )
      .chain((rest) => fc.constantFrom('/echo', '/own', '/nobody', '').map((prefix) => `${prefix}${rest}` || '/')),
    fc.stringMatching(/^\/(?:echo|own)\/[!-"$-~]{0,20}$/),
    fc.constantFrom(
      '/echo/open/../aidb-only',
      '/echo//open',
      '/echo/%6fpen',
      '/echo/%2e%2e/x',
      '/echo/open;x',
      '/echo/open%2f',
      '/echo/open?x=1&y=%',
      '/echo/open/',
      '/ECHO/open',
    ),
  );
  const credential = fc.constantFrom(
    'none',
    'sk',
    'x-api-key',
    'both',
    'differ',
    'revoked',
    'token',
    'wrong',
    'basic',
    'twice',
    'signed',
    'signed wrongly',
    'half signed',
  );
  const address = fc.constantFrom(
    '',
    'X-Forwarded-For: 192.0.2.7',
    'X-Forwarded-For: 192.0.2.7, 10.0.0.1',
    'X-Forwarded-For: nonsense',
  );

  function lines(kind: string, verb: string, uri: string): string[] {
    const bearer = (key: string): string => `Authorization: Bearer ${key}`;
    const signature = (signed: string): string[] =>
      Object.entries(
        signServiceRequest({
          serviceId: 'main-backend',
          secret: hs.key,
          method: verb,
          target: signed,
          timestamp: Math.floor(stack.clock()),
        }).headers,
      ).map(([name, value]) => `${name}: ${value}`);
    switch (kind) {
      case 'sk':
        return [bearer(sk.key)];
      case 'x-api-key':
        return [`x-api-key: ${sk.key}`];
      case 'both':
        return [bearer(sk.key), `x-api-key: ${sk.key}`];
      case 'differ':
        return [bearer(sk.key), 'x-api-key: another'];
      case 'revoked':
        return [bearer(dead.key)];
      case 'token':
        return [bearer(minted.token)];
      case 'wrong':
        return [bearer('wrong')];
      case 'basic':
        return ['Authorization: Basic YTpi'];
      case 'twice':
        return [bearer(sk.key), bearer(sk.key)];
      case 'signed':
        return signature(uri);
      case 'signed wrongly':
        return signature('/another');
      case 'half signed':
        return signature(uri).slice(0, 2);
      default:
        return [];
    }
  }

  const comparable = ({ status, headers, body }: RawAnswer) => {
    const { date: _date, connection: _connection, 'keep-alive': _keepAlive, ...others } = headers;
    const { 'x-countersign-refusal': _refusal, ...rest } = others;
    return { status, headers: rest, body };
  };

  await fc.assert(
    fc.asyncProperty(method, host, path, credential, address, async (verb, name, uri, kind, from) => {
      const common = [...lines(kind, verb, uri), ...(from === '' ? [] : [from])];
      const before = reached;
      const through = await rawRequest(frontPort, [`${verb} ${uri} HTTP/1.1`, `Host: ${name}`, ...common]);
      const passed = reached > before;
      const asked = await rawRequest(port, [
        'GET /auth/verify/nginx HTTP/1.1',
        'Host: auth.internal',
        `X-Original-Method: ${verb}`,
        `X-Original-URI: ${uri}`,
        `X-Original-Host: ${name}`,
        'X-Original-Proto: http',
        ...common,
      ]);
      if (passed) assert.equal(asked.status, 200, asked.body);
      else assert.deepEqual(comparable(asked), comparable(through));
    }),
    { numRuns: 600 },
  );
  assert.ok(reached > 0);
});
