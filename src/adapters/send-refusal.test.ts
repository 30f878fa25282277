import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { protection } from '../compose/protection/protection.ts';
import { expressGuard, type ExpressRequest } from './express/index.ts';
import { mcpGuard } from './mcp/index.ts';
import { nodeGuard } from './node/index.ts';

/** What each guard answers to a stranger when `before` had the answer first; rejects when the guard throws or rejects. */
async function answers(t: TestContext, before: (res: ServerResponse) => void): Promise<(readonly [number, string])[]> {
  const shared = await protection({ service: 'tools', keys: [], env: {}, warn: () => undefined });
  t.after(() => shared.close());
  const guards: ((req: ExpressRequest, res: ServerResponse, next: () => void) => unknown)[] = [
    mcpGuard(shared),
    expressGuard(shared),
    nodeGuard(shared),
  ];
  const asking = guards.map(async (guard) => {
    const asked: Promise<void>[] = [];
    const server = createServer((req, res) => {
      before(res);
      asked.push((async () => void (await guard(req as ExpressRequest, res, () => assert.fail('let in'))))());
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const response = await fetch(url, { method: 'POST', body: 'x', headers: { connection: 'close' } });
    const answer = [response.status, await response.text()] as const;
    await Promise.all(asked);
    return answer;
  });
  return Promise.all(asking);
}

/** As a time-out does while a body or a store is waited for. */
test('a refusal of what somebody else has answered by then is no error', async (t) => {
  for (const [status, text] of await answers(t, (res) => void res.writeHead(503).end('too late'))) {
    assert.equal(status, 503);
    assert.equal(text, 'too late');
  }
});

test('a refusal is sent where writeHead is wrapped by what returns nothing', async (t) => {
  const wrapped = (res: ServerResponse): void => {
    const writeHead = res.writeHead.bind(res) as (...given: unknown[]) => unknown;
    res.writeHead = ((...given: unknown[]) => void writeHead(...given)) as unknown as typeof res.writeHead;
  };
  for (const [status, text] of await answers(t, wrapped)) {
    assert.equal(status, 401);
    assert.match(text, /missing_credentials/);
  }
});
