import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { exchange } from '../../../test/fixtures/raw-http.ts';
import { protection, type Protection } from '../../compose/protection/protection.ts';
import { revokeKey } from '../../keys/revoke.ts';
import { knownKey } from '../streams.contract.ts';
import { nodeGuard } from './index.ts';

interface World {
  readonly shared: Protection;
  readonly port: number;
  readonly server: Server;
}

/** A WebSocket server that says who it talks to, and then repeats what it hears. */
async function serve(t: TestContext, mode: 'enforce' | 'report' = 'enforce'): Promise<World> {
  const shared = await protection({
    service: 'embeddings',
    keys: [],
    mode,
    routes: [{ path: '/open', access: 'public' }],
    env: {},
    warn: () => undefined,
  });
  const guard = nodeGuard(shared);
  const sockets = new WebSocketServer({ noServer: true });
  const server = createServer((_req, res) => res.end());
  server.on('upgrade', (req, socket, head) => {
    void guard.upgrade(req, socket).then((admitted) => {
      if (!admitted) return;
      sockets.handleUpgrade(req, socket, head, (ws) => {
        ws.send(admitted.principal?.id ?? 'nobody');
        ws.on('message', (data) => ws.send(String(data as Buffer)));
        ws.on('error', () => undefined);
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    for (const ws of sockets.clients) ws.terminate();
    server.close();
    await shared.close();
  });
  return { shared, server, port: (server.address() as AddressInfo).port };
}

const handshake = ['upgrade: websocket', 'sec-websocket-version: 13', 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=='];
const upgrading = (lines: readonly string[]) => ({
  keep: true,
  lines: ['connection: upgrade', ...handshake, ...lines],
});

async function open(port: number, key?: string, path = '/chat'): Promise<{ ws: WebSocket; told: string }> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, key ? { headers: { 'x-api-key': key } } : {});
  const [data] = (await once(ws, 'message')) as [Buffer];
  return { ws, told: String(data) };
}

test('an upgrade is judged as any request: the refusal is that of the guard, and the connection ends with it', async (t) => {
  const { port } = await serve(t);
  const plain = await exchange(port, { target: '/chat' });
  assert.equal(plain.status, 200);
  const refused = await exchange(port, { target: '/chat', ...upgrading(['x-api-key: unknown']) });
  assert.equal(refused.status, 401);
  assert.equal((JSON.parse(refused.body) as { reason: string }).reason, 'invalid_credentials');
  assert.ok(refused.headers.some(([name, value]) => name === 'connection' && value === 'close'));
  assert.ok(refused.headers.some(([name]) => name === 'www-authenticate'));
  assert.equal((await exchange(port, { target: '/chat/../x', ...upgrading([]) })).status, 400);
});

test('an upgrade passes with its principal, and one on a public route without', async (t) => {
  const { port, shared } = await serve(t);
  const { ws, told } = await open(port, (await knownKey(shared)).key);
  assert.equal(told, 'service:aidb');
  ws.send('echo');
  assert.equal(String(((await once(ws, 'message')) as [Buffer])[0]), 'echo');
  assert.equal((await open(port, undefined, '/open')).told, 'nobody');
});

test('an upgrade with a body is refused, since nobody says where the body ends', async (t) => {
  const { port, shared } = await serve(t);
  const { key } = await knownKey(shared);
  const body = [Buffer.from('GET /admin HTTP/1.1\r\nhost: a\r\n\r\n')];
  const answer = await exchange(port, { target: '/chat', body, ...upgrading([`x-api-key: ${key}`]) });
  assert.equal(answer.status, 400);
});

test('a WebSocket is closed when its key is revoked, and left open in report mode', async (t) => {
  for (const mode of ['enforce', 'report'] as const) {
    const { port, shared } = await serve(t, mode);
    const mine = await knownKey(shared);
    const { ws } = await open(port, mine.key);
    const closed = once(ws, 'close');
    const dead = Promise.withResolvers<void>();
    shared.stack.liveness.track(mine.principal, dead.resolve);
    await revokeKey(shared.stack.store, mine.id, shared.stack.clock());
    await dead.promise;
    if (mode === 'enforce') await closed;
    else {
      ws.send('still here');
      assert.equal(String(((await once(ws, 'message')) as [Buffer])[0]), 'still here');
    }
  }
});

test('a connection that was upgraded ends when its service gets rules for tools: nothing in it is judged', async (t) => {
  const { port, shared } = await serve(t);
  const { ws } = await open(port, (await knownKey(shared)).key);
  const closed = once(ws, 'close', { signal: AbortSignal.timeout(10_000) });
  const { config } = shared.stack;
  const mcp = {
    tools: [{ callers: null, allow: ['search'], deny: [], scopes: [] }],
    resources: null,
    prompts: null,
  };
  shared.stack.reload({ ...config, services: config.services.map((service) => ({ ...service, mcp })) });
  await closed;
});

test('an upgrade behind a request that has no answer yet ends the connection, and nothing else', async (t) => {
  const { port, shared, server } = await serve(t);
  server.removeAllListeners('request').on('request', (_req, res) => void setTimeout(() => res.end(), 200));
  for (const path of ['/chat', '/open']) {
    const socket = connect(port, '127.0.0.1').resume();
    const upgrade = `GET ${path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n${handshake.join('\r\n')}\r\n\r\n`;
    socket.write(`GET /slow HTTP/1.1\r\nhost: a\r\n\r\n${upgrade}`);
    await once(socket, 'close');
  }
  assert.equal((await open(port, (await knownKey(shared)).key)).told, 'service:aidb');
});

test('a client that goes away while its upgrade is judged does not bring the server down', async (t) => {
  const { port, shared } = await serve(t);
  const socket = connect(port, '127.0.0.1');
  socket.write(
    `GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n${handshake.join('\r\n')}\r\nauthorization: Bearer unknown\r\n\r\n`,
    () => socket.resetAndDestroy(),
  );
  await once(socket, 'close');
  assert.equal((await open(port, (await knownKey(shared)).key)).told, 'service:aidb');
});
