import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { fastify, type FastifyInstance } from 'fastify';
import { exchange } from '../../../test/fixtures/raw-http.ts';
import { protect } from './index.ts';

const options = {
  service: 'embeddings',
  keys: [],
  routes: [
    { path: '/health', access: 'public' },
    { path: '/admin', access: 'operator' },
  ],
  env: {},
  warn: () => undefined,
} as const;

async function get(app: FastifyInstance, target: string): Promise<number> {
  if (!app.server.listening) await app.listen({ port: 0, host: '127.0.0.1' });
  return (await exchange((app.server.address() as AddressInfo).port, { target })).status;
}

test('guards the routes of the instance that registers it, those before and those below', async () => {
  const app = fastify({ forceCloseConnections: true });
  app.get('/before', () => 'before');
  await app.register(await protect(options));
  app.get('/health', () => 'up');
  await app.register(async (below) => void below.get('/x', () => 'x'), { prefix: '/below' });
  assert.equal(await get(app, '/health'), 200);
  assert.equal(await get(app, '/before'), 401);
  assert.equal(await get(app, '/below/x'), 401);
  assert.equal(await get(app, '/nowhere'), 401);
  await app.close();
});

test('guards one part of an application where it is registered there', async () => {
  const app = fastify({ forceCloseConnections: true });
  app.get('/open', () => 'open');
  await app.register(async (part) => {
    await part.register(await protect(options));
    part.get('/x', () => 'x');
  });
  assert.equal(await get(app, '/open'), 200);
  assert.equal(await get(app, '/x'), 401);
  await app.close();
});

test('knows whether the application ignores case', async () => {
  const app = fastify({ forceCloseConnections: true, routerOptions: { caseSensitive: false } });
  await app.register(await protect(options));
  app.get('/admin', () => 'admin');
  assert.equal(await get(app, '/ADMIN'), 400);
  assert.equal(await get(app, '/admin'), 401);
  await app.close();
});

test('what other hooks put on answers goes out with refusals too', async () => {
  const app = fastify({ forceCloseConnections: true });
  app.addHook('onSend', async (_request, reply) => void reply.header('access-control-allow-origin', '*'));
  await app.register(await protect(options));
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { headers } = await exchange((app.server.address() as AddressInfo).port, { target: '/x' });
  assert.ok(headers.some(([name]) => name === 'access-control-allow-origin'));
  await app.close();
});

test('what Fastify answers before any hook is judged first, where the guard is told of it', async () => {
  const guard = await protect({ ...options, routes: [{ path: '/open/:name', access: 'public' }] });
  const app = fastify({ forceCloseConnections: true, frameworkErrors: guard.frameworkErrors });
  await app.register(guard);
  app.get('/open/:name', () => 'open');
  app.get('/closed/:name', () => 'closed');
  const long = 'x'.repeat(200);
  assert.equal(await get(app, '/closed/%zz'), 400);
  assert.equal(await get(app, `/closed/${long}`), 401);
  assert.equal(await get(app, `/open/${long}`), 414);
  await app.close();
});

test('a part of an application may have a guard of its own besides', async () => {
  const app = fastify({ forceCloseConnections: true });
  await app.register(await protect({ ...options, routes: [{ path: '/*', access: 'public' }] }));
  app.get('/open', () => 'open');
  await app.register(async (part) => {
    await part.register(await protect(options));
    part.get('/x', () => 'x');
  });
  assert.equal(await get(app, '/open'), 200);
  assert.equal(await get(app, '/x'), 401);
  await app.close();
});
