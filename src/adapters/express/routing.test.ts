import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import express from 'express';
import { exchange, type Answer } from '../../../test/fixtures/raw-http.ts';
import { protection, type Protection, type RouteOption } from '../../compose/protection/protection.ts';
import { expressGuard } from './index.ts';

const routes: readonly RouteOption[] = [
  { path: '/api/health', access: 'public' },
  { path: '/admin', access: 'operator' },
  { path: '/Models/:Name', access: 'public' },
  { path: '/résumé', access: 'public' },
];

async function protectedBy(t: TestContext, rules = routes): Promise<Protection> {
  const shared = await protection({ service: 'embeddings', keys: [], routes: rules, env: {}, warn: () => undefined });
  t.after(() => shared.close());
  return shared;
}

async function serve(t: TestContext, app: express.Express): Promise<(target: string) => Promise<Answer>> {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (target) => exchange((server.address() as AddressInfo).port, { target });
}

test('a guard that is mounted judges the whole path, whatever Express left of it', async (t) => {
  const shared = await protectedBy(t);
  const app = express();
  const router = express.Router();
  router.use(expressGuard(shared));
  router.get('/health', (_req, res) => void res.send('up'));
  router.get('/x', (_req, res) => void res.send('x'));
  app.use('/api', router);
  app.get('/open', (_req, res) => void res.send('open'));
  const get = await serve(t, app);
  assert.equal((await get('/api/health')).body, 'up');
  assert.equal((await get('/api/health?a=b')).body, 'up');
  assert.equal((await get('/api/x')).status, 401);
  assert.equal((await get('/api')).status, 401);
  assert.equal((await get('/open')).body, 'open');
});

test('a path that was rewritten is judged as it is routed', async (t) => {
  const app = express();
  app.use((req, _res, next) => {
    if (req.url === '/api/health') req.url = '/secret';
    next();
  });
  app.use(expressGuard(await protectedBy(t)));
  app.get('/secret', (_req, res) => void res.send('secret'));
  const get = await serve(t, app);
  assert.equal((await get('/api/health')).status, 401);
});

test('a path that a rule names in another case does not pass by the rule', async (t) => {
  const app = express();
  app.use(expressGuard(await protectedBy(t)));
  app.use((req, res) => void res.send(req.path));
  const get = await serve(t, app);
  for (const target of ['/ADMIN', '/Admin/', '/%41dmin', '/models/small', '/api/HEALTH', '/r%C3%A9sum%C3%A9/../x'])
    assert.equal((await get(target)).status, 400, target);
  for (const target of ['/admin', '/Other', '/R%C3%89SUM%C3%89'])
    assert.notEqual((await get(target)).status, 400, target);
  assert.equal((await get('/Models/Small')).status, 200);
  assert.equal((await get('/r%C3%A9sum%C3%A9')).status, 200);
  assert.equal((await get('/r%c3%a9sum%c3%a9')).status, 200);
});

test('whoever routes with regard to case says so', async (t) => {
  const app = express();
  app.use(expressGuard(await protectedBy(t), { caseSensitive: true }));
  const get = await serve(t, app);
  assert.equal((await get('/ADMIN')).status, 401);
  assert.equal((await get('/admin')).status, 401);
});

test('rules that differ in their case only are refused where case is ignored', async (t) => {
  const shared = await protectedBy(t, [{ path: '/a' }, { path: '/A', access: 'public' }]);
  assert.throws(() => expressGuard(shared), { code: 'config_invalid', message: /differ in their case only/ });
  expressGuard(shared, { caseSensitive: true });
});
