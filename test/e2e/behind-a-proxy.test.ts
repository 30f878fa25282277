/** The gateway behind nginx and Caddy, as docs/deploy-proxies.md writes them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { createServiceClient } from '../../src/client/service-client.ts';
import { freePort } from '../fixtures/free-port.ts';
import { caddy, nginx, provide, skipWithout } from '../fixtures/programs.ts';
import { startProxy, temporaryFolder } from '../fixtures/proxied-stack.ts';
import { startProgram } from './program.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/deploy-proxies.md'), 'utf8');

function written(language: string, ports: Readonly<Record<string, number>>): string {
  const [, text = assert.fail(language)] = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, 'm').exec(page) ?? [];
  return text.replaceAll(/:(8080|8700)\b/g, (_, port: string) => `:${ports[port]}`);
}

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

const proxies = [
  {
    program: nginx,
    async start(t: TestContext, port: number, gateway: number): Promise<void> {
      const folder = temporaryFolder(t, 'nginx');
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${name};`,
      );
      writeFileSync(
        join(folder, 'nginx.conf'),
        `daemon off;\nuser root;\npid ${folder}/pid;\nerror_log stderr crit;\nevents {}\nhttp {\naccess_log off;\n${temporary.join('\n')}\n${written('nginx', { 8080: port, 8700: gateway })}}\n`,
      );
      await startProxy(t, provide(nginx), ['-c', join(folder, 'nginx.conf'), '-p', folder], { port });
    },
  },
  {
    program: caddy,
    async start(t: TestContext, port: number, gateway: number): Promise<void> {
      const folder = temporaryFolder(t, 'caddy');
      const file = join(folder, 'Caddyfile');
      writeFileSync(file, `{\n\tadmin off\n}\n${written('caddy', { 8080: port, 8700: gateway })}`);
      const env = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
      await startProxy(t, provide(caddy), ['run', '--config', file, '--adapter', 'caddyfile'], { port, env });
    },
  },
];

for (const { program, start } of proxies)
  test(`signatures, event streams and WebSockets pass ${program.name}`, { skip: skipWithout(program) }, async (t) => {
    const upstream = await startService(t);
    const yaml = `mode: enforce\ntrustedProxies: [127.0.0.1]\nservices: { browser: { upstream: "${upstream}" } }\n`;
    const gateway = await startProgram(t, { yaml });
    const keyOf = async (kind: string) => (await gateway.cli(['keys', 'create', 'aidb', '--kind', kind])).stdout.trim();
    const [secret, key] = [await keyOf('hs'), await keyOf('sk')];
    const port = await freePort();
    await start(t, port, gateway.port);

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
