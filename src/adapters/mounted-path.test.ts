import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { protection } from '../compose/protection/protection.ts';
import { expressGuard, type ExpressRequest } from './express/index.ts';
import { mcpGuard } from './mcp/index.ts';
import { mountedPath } from './mounted-path.ts';
import { nodeGuard } from './node/index.ts';

test('the whole path is found wherever a framework keeps it', () => {
  assert.equal(mountedPath({ url: '/x?a=b' }), '/x?a=b');
  // Express.
  assert.equal(mountedPath({ url: '/', baseUrl: '', originalUrl: '/' }), '/');
  assert.equal(mountedPath({ url: '/x', baseUrl: '/mcp', originalUrl: '/mcp/x' }), '/mcp/x');
  assert.equal(mountedPath({ url: '/rewritten', baseUrl: '', originalUrl: '/x' }), '/rewritten');
  // Connect, which puts a slash where the mount ends, and Polka, which does not.
  const connect = (url: string, originalUrl: string) => mountedPath({ url, originalUrl, _parsedUrl: {} });
  assert.equal(connect('/', '/mcp'), '/mcp');
  assert.equal(connect('/?a=b', '/mcp?a=b'), '/mcp?a=b');
  assert.equal(connect('?a=b', '/mcp?a=b'), '/mcp?a=b');
  assert.equal(connect('/x', '/mcp/x'), '/mcp/x');
  assert.equal(connect('/rewritten', '/x'), '/rewritten');
  // '/mcp' also stands before '.json' there.
  assert.equal(connect('/.json', '/mcp.json'), '/mcp.json');
  // What the client sent may be made to end as a path that it was rewritten to, and was mounted nowhere.
  assert.equal(connect('/rewritten', '/x?y=/rewritten'), '/rewritten');
  assert.equal(connect('/rewritten', '/x?rewritten'), '/rewritten');
  assert.equal(connect('/rewritten', '/x-rewritten'), '/rewritten');
  assert.equal(connect('/rewritten?y', '/x-rewritten?y'), '/rewritten?y');
  assert.equal(connect('/', '/x?y=/'), '/');
  // Fastify with rewriteUrl.
  assert.equal(mountedPath({ url: '/mcp', originalUrl: '/v1/mcp' }), '/mcp');
});

test('the rules of a path hold where Connect mounts the guard there', async (t) => {
  const routes = [
    { path: '/mcp', callers: ['ops'] },
    { path: '/*', access: 'public' },
  ] as const;
  const shared = await protection({ service: 'tools', keys: [], routes, env: {}, warn: () => undefined });
  t.after(() => shared.close());
  const byNode = nodeGuard(shared);
  const guards: ((req: ExpressRequest, res: ServerResponse, next: () => void) => unknown)[] = [
    mcpGuard(shared),
    expressGuard(shared),
    async (req, res, next) => void ((await byNode(req, res)) && next()),
  ];
  for (const guard of guards) {
    const server = createServer((req: IncomingMessage, res) => {
      Object.assign(req, { originalUrl: req.url, url: '/', _parsedUrl: {} });
      void guard(req as ExpressRequest, res, () => void res.end('in'));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => server.close());
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const status = async (path: string) => (await fetch(origin + path, { headers: { connection: 'close' } })).status;
    assert.equal(await status('/mcp'), 401);
    assert.equal(await status('/open'), 200);
  }
});
