import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { memoryStore } from '../../stores/memory/store.ts';
import { principalSessions, protect, type McpRequest } from './index.ts';
import { bearer, keyOf, post, tokenOf, type Host, type OwnOptions } from './mcp.fixtures.ts';

/** A server that says only whether the session of a request was found; `/mcp/new` begins one. */
async function host(t: TestContext, more: OwnOptions): Promise<Host & { begun(key: string): Promise<string> }> {
  const store = memoryStore();
  const env = { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) };
  const guard = await protect({ service: 'tools', keys: [], store, env, warn: () => undefined, ...more });
  const sessions = principalSessions<object>();
  const server = createServer((req: McpRequest, res) => {
    void guard(req, res, () => {
      const id = req.headers['mcp-session-id'];
      if (req.url === '/mcp/new') sessions.keep(String(id), {}, req.auth);
      res.writeHead(sessions.find(id, req.auth) === null ? 404 : 200).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await guard.close();
    await store.close();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
  const begun = async (key: string): Promise<string> => {
    const id = `session-${Math.random()}`;
    assert.equal((await post(new URL('/mcp/new', url), { ...bearer(key), 'mcp-session-id': id })).status, 200);
    return id;
  };
  return { url, protection: guard.protection, stack: guard.protection.stack, begun };
}

const wiping = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'wipe', arguments: {} } };

test('in report mode a session is found by who would be refused, and by everybody else', async (t) => {
  const { url, begun, ...rest } = await host(t, { mode: 'report', tools: { deny: ['wipe'] } });
  const there = { url, ...rest };
  const { key } = await keyOf(there);
  const { token } = await tokenOf(there);
  const session = { 'mcp-session-id': await begun(key) };
  assert.equal((await post(url, { ...bearer(key), ...session }, wiping)).status, 200);
  assert.equal((await post(url, session)).status, 200);
  assert.equal((await post(url, { ...bearer(token), ...session })).status, 200);

  await there.stack.modes.set('tools', 'enforce', 'operator:test');
  assert.equal((await post(url, { ...bearer(key), ...session })).status, 200);
  assert.equal((await post(url, { ...bearer(token), ...session })).status, 404);
});

test('where a mode enforces, a session is its own principal’s, also on a public route', async (t) => {
  const routes = [{ path: '/mcp', methods: ['GET'], access: 'public' as const }, { path: '/mcp' }];
  const there = await host(t, { mode: 'enforce', routes });
  const { key } = await keyOf(there);
  const { token } = await tokenOf(there);
  const session = { 'mcp-session-id': await there.begun(key) };
  assert.equal((await post(there.url, { ...bearer(key), ...session })).status, 200);
  assert.equal((await post(there.url, { ...bearer(token), ...session })).status, 404);
  assert.equal((await fetch(there.url, { headers: session })).status, 404);
});
