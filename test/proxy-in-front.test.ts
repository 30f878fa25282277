/** The gateway behind the proxies of docs/deploy-proxies.md: where a request came from, who is asking, and what passes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { rawRequest } from './fixtures/authority-stack.ts';
import { frontProxies, startFrontProxy, type FrontProxy } from './fixtures/front-proxy.ts';
import { door, testUpstream } from './fixtures/gateway-door.ts';
import { skipWithout } from './fixtures/programs.ts';

for (const [name, proxy] of Object.entries(frontProxies))
  test(`${name} in front of the gateway`, { skip: skipWithout(proxy.program), timeout: 60_000 }, async (t) => {
    const { port, upstream, stream } = await behind(t, proxy);
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
      const lines = ['GET /echo/x?a=%2F HTTP/1.1', 'Host: stack.example.org', 'Authorization: Bearer good', ...claims];
      assert.equal((await rawRequest(port, lines)).status, 200);
      const seen = upstream.seen.at(-1);
      assert.equal(seen?.url, '/x?a=%2F');
      assert.equal(seen.headers['x-auth-principal'], 'service:aidb');
      assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1, 127.0.0.1');
      assert.equal(seen.headers['x-forwarded-host'], 'stack.example.org');
      const left = Object.keys(seen.headers).filter((header) => String(seen.headers[header]).includes('client'));
      assert.deepEqual(left, []);
    });
    await t.test('passes an event on before the next one is there', async () => {
      const socket = connect(port, '127.0.0.1');
      socket.write('GET /echo/stream HTTP/1.1\r\nHost: stack.example.org\r\nAuthorization: Bearer good\r\n\r\n');
      await once(socket, 'data');
      stream().end('data: 2\n\n');
      let rest = '';
      socket.on('data', (chunk: Buffer) => (rest += chunk.toString()));
      while (!rest.includes('data: 2')) await once(socket, 'data');
      socket.destroy();
    });
    await t.test('passes a refusal on as it is', async () => {
      const { status, headers } = await rawRequest(port, ['GET /echo/x HTTP/1.1', 'Host: stack.example.org']);
      assert.equal(status, 401);
      assert.match(headers['www-authenticate'] ?? '', /^Bearer/);
    });
  });

/** A gateway with one service, behind the proxy as the page shows it. */
async function behind(t: TestContext, proxy: FrontProxy) {
  let open: ServerResponse | undefined;
  const upstream = await testUpstream((req, res) => {
    if (req.url !== '/stream') return void res.end('echo answers');
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    open = res;
  });
  const services = [{ name: 'echo', upstream: upstream.url }];
  const gateway = await door({ services, trustedProxies: ['127.0.0.1'] });
  t.after(async () => {
    await gateway.close();
    await upstream.close();
  });
  const port = await startFrontProxy(t, proxy, gateway.port);
  const answers = async (): Promise<number> =>
    (await rawRequest(port, ['GET /echo/x HTTP/1.1', 'Host: stack.example.org'])).status;
  // Traefik listens before it has read its routers.
  while ((await answers()) === 404) await setTimeout(20);
  return {
    port,
    upstream,
    stream(): ServerResponse {
      assert.ok(open);
      return open;
    },
  };
}
