import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { protection } from '../compose/protection/protection.ts';
import { expressGuard, type ExpressRequest } from './express/index.ts';
import { mcpGuard } from './mcp/index.ts';
import { nodeGuard } from './node/index.ts';

/** As a time-out does while a body or a store is waited for. */
test('a refusal of what somebody else has answered by then is no error', async (t) => {
  const shared = await protection({ service: 'tools', keys: [], env: {}, warn: () => undefined });
  t.after(() => shared.close());
  const guards: ((req: ExpressRequest, res: ServerResponse, next: () => void) => unknown)[] = [
    mcpGuard(shared),
    expressGuard(shared),
    nodeGuard(shared),
  ];
  for (const guard of guards) {
    const asked: Promise<void>[] = [];
    const server = createServer((req, res) => {
      res.writeHead(503).end('too late');
      asked.push((async () => void (await guard(req as ExpressRequest, res, () => assert.fail('let in'))))());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const response = await fetch(url, { method: 'POST', body: 'x', headers: { connection: 'close' } });
    assert.equal(await response.text(), 'too late');
    assert.equal(asked.length, 1);
    await Promise.all(asked);
  }
});
