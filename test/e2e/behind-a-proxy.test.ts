/** The gateway behind proxies, as docs/deploy-proxies.md writes them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { createServiceClient } from '../../src/client/service-client.ts';
import { frontProxies, startFrontProxy } from '../fixtures/front-proxy.ts';
import { skipWithout } from '../fixtures/programs.ts';
import { startProgram } from './program.ts';

/** Echoes on a WebSocket, and begins event streams that it never ends. */
async function startService(t: TestContext): Promise<string> {
  const server = createServer((_, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: first\n\n');
  });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

// Traefik routes by a host that no client on this machine calls.
const { Traefik: _, ...proxies } = frontProxies;

for (const [name, proxy] of Object.entries(proxies))
  test(`signatures, event streams and WebSockets pass ${name}`, { skip: skipWithout(proxy.program) }, async (t) => {
    const upstream = await startService(t);
    const yaml = `mode: enforce\ntrustedProxies: [127.0.0.1]\nservices: { browser: { upstream: "${upstream}" } }\n`;
    const gateway = await startProgram(t, { yaml });
    const keyOf = async (kind: string) => (await gateway.cli(['keys', 'create', 'aidb', '--kind', kind])).stdout.trim();
    const [secret, key] = [await keyOf('hs'), await keyOf('sk')];
    const port = await startFrontProxy(t, proxy, gateway.port);

    const baseUrl = `http://127.0.0.1:${port}`;
    const client = createServiceClient({ baseUrl, credential: { kind: 'http-signature', keyid: 'aidb', key: secret } });
    const response = await client.fetch('/browser/events?x=1', { method: 'POST', body: 'hello' });
    assert.equal(response.status, 200);
    const reader = response.body?.getReader();
    const { value } = (await reader?.read()) ?? {};
    assert.equal(
      Buffer.from(value ?? []).toString(),
      'data: first\n\n',
      'the stream goes on, and its beginning is there',
    );
    await reader?.cancel();
    await client.close();

    const socket = new WebSocket(`ws://127.0.0.1:${port}/browser/socket`, { headers: { 'x-api-key': key } });
    await once(socket, 'open');
    socket.send('hello');
    const [echoed] = (await once(socket, 'message')) as [Buffer];
    assert.equal(echoed.toString(), 'hello');
    socket.terminate();
  });
