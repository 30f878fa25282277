import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { exchange } from '../../../test/fixtures/raw-http.ts';
import { protection, type Protection, type RouteOption } from '../../compose/protection/protection.ts';
import { nodeGuard, protect, type NodeOptions } from './index.ts';

const own = { service: 'a', keys: [], env: {}, warn: () => undefined } as const;
const upgrade = ['connection: upgrade', 'upgrade: websocket'];

/** The status that a path is answered with. */
async function serve(t: TestContext, shared: Protection, options?: NodeOptions) {
  const guard = nodeGuard(shared, options);
  const server = createServer((req, res) => void guard(req, res).then((admitted) => admitted && res.end()));
  server.on('upgrade', (req, socket) => void guard.upgrade(req, socket).then((admitted) => admitted && socket.end()));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return async (target: string, lines: readonly string[] = []) =>
    (await exchange(port, { target, lines, keep: lines.length > 0 })).status;
}

async function protectedBy(t: TestContext, routes: readonly RouteOption[]): Promise<Protection> {
  const shared = await protection({ ...own, routes });
  t.after(() => shared.close());
  return shared;
}

test('a path that a rule names in another case does not pass by the rule, as the router of Koa would have it', async (t) => {
  const routes = [
    { path: '/*', access: 'public' },
    { path: '/admin', access: 'any' },
  ] as const;
  const shared = await protectedBy(t, routes);
  const statusOf = await serve(t, shared);
  assert.equal(await statusOf('/admin'), 401);
  assert.equal(await statusOf('/Other'), 200);
  for (const target of ['/ADMIN', '/%41dmin/']) assert.equal(await statusOf(target), 400, target);
  assert.equal(await statusOf('/ADMIN', upgrade), 400);
  assert.equal(await statusOf('/admin', upgrade), 401);

  const minding = await serve(t, shared, { caseSensitive: true });
  assert.equal(await minding('/ADMIN'), 200);
  assert.equal(await minding('/admin'), 401);
});

test('rules that differ in their case only are for a handler that minds case', async (t) => {
  const routes = [{ path: '/a' }, { path: '/A', access: 'public' }] as const;
  await assert.rejects(protect({ ...own, routes }), { code: 'config_invalid', message: /caseSensitive: true/ });
  const guard = await protect({ ...own, routes, caseSensitive: true });
  t.after(() => guard.close());
});
