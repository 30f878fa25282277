/** The gateway behind the proxies of docs/deploy-proxies.md: where a request came from, who is asking, and what passes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { createServiceClient } from '../../src/client/service-client.ts';
import { rawRequest } from '../fixtures/authority-stack.ts';
import { frontProxies, startFrontProxy, type FrontProxy } from '../fixtures/front-proxy.ts';
import { testUpstream } from '../fixtures/gateway-door.ts';
import { skipWithout } from '../fixtures/programs.ts';
import { until } from '../fixtures/until.ts';
import { startProgram } from './program.ts';

/** The only one by which Traefik has a way to the gateway. */
const host = 'stack.example.org';

for (const [name, proxy] of Object.entries(frontProxies))
  test(`${name} in front of the gateway`, { skip: skipWithout(proxy.program), timeout: 60_000 }, async (t) => {
    const { port, upstream, key, secret, stream } = await behind(t, proxy);
    const own = [`Host: ${host}`, `Authorization: Bearer ${key}`];
    await t.test('says where a request came from, and lets no client say it', async () => {
      const claims = [
        'X-Auth-Principal',
        'Remote-User',
        'X-WEBAUTH-USER',
        'X-Forwarded-User',
        'Client-Cert',
        'X-Forwarded-For',
        'X-Forwarded-Host',
        'X-Forwarded-Port',
        'X-Forwarded-Prefix',
        'X-Real-IP',
        'True-Client-IP',
        'Forwarded',
        'X-Original-URL',
      ].map((claim) => `${claim}: client`);
      assert.equal((await rawRequest(port, ['GET /echo/x?a=%2F HTTP/1.1', ...own, ...claims])).status, 200);
      const seen = upstream.seen.at(-1);
      assert.equal(seen?.url, '/x?a=%2F');
      assert.equal(seen.headers['x-auth-principal'], 'service:aidb');
      assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1, 127.0.0.1');
      assert.equal(seen.headers['x-forwarded-host'], host);
      const left = Object.keys(seen.headers).filter((header) => String(seen.headers[header]).includes('client'));
      assert.deepEqual(left, []);
    });
    await t.test('passes an event on before the next one is there', async () => {
      const socket = connect(port, '127.0.0.1');
      let came = '';
      socket.on('data', (chunk: Buffer) => (came += chunk.toString()));
      socket.write(`${['GET /echo/stream HTTP/1.1', ...own].join('\r\n')}\r\n\r\n`);
      while (!came.includes('data: 1')) await once(socket, 'data');
      stream().end('data: 2\n\n');
      while (!came.includes('data: 2')) await once(socket, 'data');
      socket.destroy();
    });
    await t.test('passes WebSockets', async () => {
      const headers = { host, 'x-api-key': key };
      const socket = new WebSocket(`ws://127.0.0.1:${port}/echo/socket`, { headers });
      await once(socket, 'open');
      socket.send('hello');
      const [echoed] = (await once(socket, 'message')) as [Buffer];
      assert.equal(echoed.toString(), 'hello');
      socket.terminate();
    });
    await t.test('passes a refusal on as it is', async () => {
      const { status, headers } = await rawRequest(port, ['GET /echo/x HTTP/1.1', `Host: ${host}`]);
      assert.equal(status, 401);
      assert.match(headers['www-authenticate'] ?? '', /^Bearer/);
    });
    const skip = name === 'Traefik' && 'a client signs for the host that it calls, by which Traefik has no way';
    await t.test('passes signatures, of the host and of the body', { skip }, async () => {
      const credential = { kind: 'http-signature', keyid: 'aidb', key: secret } as const;
      const client = createServiceClient({ baseUrl: `http://127.0.0.1:${port}`, credential });
      const response = await client.fetch('/echo/x?y=1', { method: 'POST', body: 'hello' });
      assert.equal(response.status, 200);
      assert.equal(await response.text(), 'echo answers');
      await client.close();
    });
  });

/** The real program with one service, behind the proxy as the page shows it. */
async function behind(t: TestContext, proxy: FrontProxy) {
  let open: ServerResponse | undefined;
  const upstream = await testUpstream((req, res) => {
    if (req.url !== '/stream') return void res.end('echo answers');
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    open = res;
  });
  const sockets = new WebSocketServer({ server: upstream.server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  t.after(() => upstream.close());
  const yaml = `mode: enforce\ntrustedProxies: [127.0.0.1]\nservices: { echo: { upstream: "${upstream.url}" } }\n`;
  const gateway = await startProgram(t, { yaml });
  const keyOf = async (kind: string) => (await gateway.cli(['keys', 'create', 'aidb', '--kind', kind])).stdout.trim();
  const [secret, key] = [await keyOf('hs'), await keyOf('sk')];
  const port = await startFrontProxy(t, proxy, gateway.port);
  // Traefik listens before it has read its routers.
  const asked = async () => (await rawRequest(port, ['GET /echo/x HTTP/1.1', `Host: ${host}`])).status;
  await until(async () => (await asked()) !== 404, 'the proxy has its routes');
  return {
    port,
    upstream,
    key,
    secret,
    stream(): ServerResponse {
      assert.ok(open);
      return open;
    },
  };
}
