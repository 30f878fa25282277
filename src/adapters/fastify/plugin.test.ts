import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import express from 'express';
import { fastify, type FastifyInstance } from 'fastify';
import { exchange } from '../../../test/fixtures/raw-http.ts';
import { protection } from '../../compose/protection/protection.ts';
import { createServiceClient } from '../../client/index.ts';
import { createKey } from '../../keys/create.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import { fastifyGuard, protect } from './index.ts';

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

test('judges the whole path in an application that Express mounts', async (t) => {
  const app = fastify();
  await app.register(await protect(options));
  app.get('/health', () => 'up');
  await app.ready();
  const outer = express();
  outer.use('/mounted', (req, res) => app.routing(req, res));
  outer.use((req, res) => app.routing(req, res));
  const server = outer.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  t.after(() => app.close());
  const status = async (target: string) => (await exchange((server.address() as AddressInfo).port, { target })).status;
  assert.equal(await status('/health'), 200);
  assert.equal(await status('/mounted/health'), 401);
});

test('knows whether the application ignores case', async () => {
  const app = fastify({ forceCloseConnections: true, routerOptions: { caseSensitive: false } });
  await app.register(await protect(options));
  app.get('/admin', () => 'admin');
  assert.equal(await get(app, '/ADMIN'), 400);
  assert.equal(await get(app, '/admin'), 401);
  await app.close();
});

test('knows it wherever the application says so', async () => {
  const app = fastify({
    forceCloseConnections: true,
    caseSensitive: false,
    routerOptions: { ignoreTrailingSlash: true },
  });
  await app.register(await protect(options));
  app.get('/admin', () => 'admin');
  assert.equal(await get(app, '/ADMIN'), 400);
  await app.close();
});

test('ignores case as Fastify does, which lowers every letter', async () => {
  const app = fastify({ forceCloseConnections: true, routerOptions: { caseSensitive: false } });
  const routes = [{ path: '/keys' }, { path: '/räume' }, { path: '/*', access: 'public' as const }];
  await app.register(await protect({ ...options, routes }));
  for (const path of ['/keys', '/räume', '/other']) app.get(path, () => path);
  for (const target of ['/%E2%84%AAeys', '/KEYS', '/r%C3%84ume', '/R%C3%A4UME'])
    assert.equal(await get(app, target), 400, target);
  for (const target of ['/keys', '/r%C3%A4ume']) assert.equal(await get(app, target), 401, target);
  for (const target of ['/other', '/OTHER']) assert.equal(await get(app, target), 200, target);
  assert.equal(await get(app, '/%C3%28'), 400, 'no UTF-8');
  await app.close();
});

test('a protection that others share outlives the application', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-fastify-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, 'countersign.yaml');
  const file = join(folder, 'state.db');
  const services = 'services: { embeddings: { upstream: http://127.0.0.1:9 } }';
  await writeFile(config, `store: sqlite:${file}\nmode: enforce\n${services}\n`, { mode: 0o600 });
  const shared = await protection({ service: 'embeddings', config, env: {}, warn: () => undefined });
  t.after(() => shared.close());
  const { stack } = shared;
  const { record, key } = await createKey(stack.store, stack.seal, {
    service: 'web',
    kind: 'sk',
    expiresAt: null,
    now: stack.clock(),
  });
  const [one, two] = [fastify({ forceCloseConnections: true }), fastify({ forceCloseConnections: true })];
  for (const app of [one, two]) {
    t.after(() => app.close());
    await app.register(fastifyGuard(shared));
    app.get('/x', () => 'x');
    await app.ready();
  }
  const ask = async () => (await two.inject({ url: '/x', headers: { 'x-api-key': key } })).statusCode;
  const answers = (status: number) => t.waitFor(async () => assert.equal(await ask(), status), { timeout: 5000 });
  await answers(200);
  await one.close();
  const elsewhere = sqliteStore({ file });
  await elsewhere.keys.revoke(record.id, stack.clock());
  await elsewhere.close();
  await answers(401);
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

test('judges what Fastify injects, without a socket, as what comes over one', async () => {
  const secret = 'a-secret-of-enough-length-for-a-test-0123456789';
  const folder = await mkdtemp(join(tmpdir(), 'countersign-inject-'));
  await writeFile(join(folder, 'hybrid.env'), `SERVICE_KEY=${secret}\n`, { mode: 0o600 });
  const app = fastify();
  await app.register(await protect({ ...options, keys: [{ envFiles: join(folder, '*.env') }] }));
  app.get('/embed', (request) => ({ caller: request.principal?.id }));
  app.post('/embed', (request) => ({ body: request.body, caller: request.principal?.id }));
  const client = createServiceClient({
    credential: { kind: 'http-signature', keyid: 'hybrid', key: secret },
    baseUrl: 'http://localhost',
  });
  const payload = JSON.stringify({ texts: ['a'.repeat(100_000)] });
  const signed = await client.headers({ method: 'POST', url: '/embed', body: payload });
  const post = (headers: Record<string, string>, body = payload) =>
    app.inject({
      method: 'POST',
      url: '/embed',
      headers: { host: 'localhost', 'content-type': 'application/json', ...headers },
      payload: body,
    });
  assert.equal((await post({})).statusCode, 401);
  assert.equal((await post(signed, '{"texts": ["b"]}')).json<{ reason: string }>().reason, 'invalid_signature');
  const answer = await post(signed);
  assert.deepEqual(answer.json(), { body: JSON.parse(payload) as unknown, caller: 'service:hybrid' });
  const asked = await app.inject({
    url: '/embed',
    headers: { host: 'localhost', ...(await client.headers({ url: '/embed' })) },
  });
  assert.equal(asked.json<{ caller: string }>().caller, 'service:hybrid');
  await app.close();
  await client.close();
  await rm(folder, { recursive: true });
});

test('an identity that a test makes up is taken from what it injects', async (t) => {
  const app = fastify();
  t.after(() => app.close());
  await app.register(await protect({ ...options, routes: [{ path: '/x', access: 'public' }] }));
  app.get('/x', (request) => request.headers['x-auth-principal'] ?? 'nobody');
  assert.equal((await app.inject({ url: '/x', headers: { 'x-auth-principal': 'service:me' } })).body, 'nobody');
});
