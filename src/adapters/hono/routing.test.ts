import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { getRequestListener, serve as serveHono } from '@hono/node-server';
import express from 'express';
import { Hono } from 'hono';
import { methodOverride } from 'hono/method-override';
import { exchange, type Answer, type RawRequest } from '../../../test/fixtures/raw-http.ts';
import { protection, type Protection } from '../../compose/protection/protection.ts';
import { honoGuard } from './index.ts';

async function protectedBy(t: TestContext): Promise<Protection> {
  const shared = await protection({
    service: 'embeddings',
    keys: [],
    routes: [
      { path: '/api/health', access: 'public' },
      { path: '/models', methods: ['POST'], access: 'public' },
      { path: '/models', methods: ['DELETE'], access: 'operator' },
    ],
    env: {},
    warn: () => undefined,
  });
  t.after(() => shared.close());
  return shared;
}

async function serve(t: TestContext, app: Hono): Promise<(request: RawRequest) => Promise<Answer>> {
  const server = serveHono({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server;
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (request) => exchange((server.address() as AddressInfo).port, request);
}

test('a guard in a part of an application judges the whole path', async (t) => {
  const guard = honoGuard(await protectedBy(t));
  const part = new Hono();
  part.use(guard);
  part.get('/health', (c) => c.text('up'));
  part.get('/x', (c) => c.text('x'));
  const app = new Hono()
    .route('/api', part)
    .mount('/mounted', new Hono().use(guard).get('/api/health', (c) => c.text('up')).fetch);
  const ask = await serve(t, app);
  assert.equal((await ask({ target: '/api/health' })).body, 'up');
  assert.equal((await ask({ target: '/api/x' })).status, 401);
  assert.notEqual((await ask({ target: '/mounted/api/health' })).status, 200);
});

test('a guard in an application that Express mounts judges the whole path', async (t) => {
  const app = new Hono().use(honoGuard(await protectedBy(t))).all('*', (c) => c.text('in'));
  const outer = express();
  outer.use('/api', (req, res) => void getRequestListener(app.fetch)(req, res));
  outer.use('/mounted', (req, res) => void getRequestListener(app.fetch)(req, res));
  const server = outer.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const ask = (target: string) => exchange((server.address() as AddressInfo).port, { target });
  assert.equal((await ask('/api/health')).body, 'in');
  assert.equal((await ask('/mounted/api/health')).status, 401);
});

test('a Host with a path in it does not choose the route', async (t) => {
  const app = new Hono();
  app.use(honoGuard(await protectedBy(t)));
  app.get('/api/health', (c) => c.text('up'));
  app.get('/admin/keys', (c) => c.text('secret'));
  const ask = await serve(t, app);
  assert.equal((await ask({ target: '/admin/keys' })).status, 401);
  assert.equal((await ask({ target: '/api/health' })).body, 'up');
  // As long as its name in Punycode, which is all that is compared before a URL is built of it.
  for (const host of ['\u00fc.\u00fc/admin/keys?', 'a/admin/keys?', 'a@b', 'a?b', 'a#b', 'a\\b', 'a b', '[::1', 'a:b'])
    assert.equal((await ask({ target: '/api/health', host })).status, 400, host);
});

test('no copy of the header lines brings an identity past the guard', async (t) => {
  const shared = await protectedBy(t);
  const before: Record<string, (app: Hono) => void> = {
    nothing: () => undefined,
    'whoever lists the headers': (app) => void app.use((c, next) => (c.req.header(), next())),
    'whoever copies the request': (app) => void app.use((c, next) => (c.req.raw.clone(), next())),
    'whoever makes another request': (app) => void app.use(methodOverride({ app, header: 'x-http-method' })),
  };
  for (const [who, use] of Object.entries(before)) {
    const app = new Hono();
    use(app);
    app.use(honoGuard(shared));
    app.post('/models', (c) => c.text(`${c.req.header('x-auth-principal')} ${c.req.raw.headers.get('x-auth-mode')}`));
    const ask = await serve(t, app);
    const lines = ['x-auth-principal: operator:root', 'X-Auth-Mode: off', 'x-http-method: POST'];
    assert.equal((await ask({ method: 'POST', target: '/models', lines })).body, 'undefined null', who);
  }
});

test('a method that was overridden is judged as it is routed', async (t) => {
  const app = new Hono();
  app.use(methodOverride({ app, header: 'x-http-method' }));
  app.use(honoGuard(await protectedBy(t)));
  app.post('/models', (c) => c.text('made'));
  app.delete('/models', (c) => c.text('deleted'));
  const ask = await serve(t, app);
  assert.equal((await ask({ method: 'POST', target: '/models' })).body, 'made');
  assert.equal((await ask({ method: 'DELETE', target: '/models' })).status, 401);
  assert.equal((await ask({ method: 'POST', target: '/models', lines: ['x-http-method: DELETE'] })).status, 401);
});
