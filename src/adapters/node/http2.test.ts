import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer, type OutgoingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { protect } from './index.ts';

test('HTTP/2 is refused, whatever it carries, and who serves it is told so once', async (t) => {
  const warnings: string[] = [];
  const warn = (text: string) => void warnings.push(text);
  const guard = await protect({ service: 'a', keys: [], env: {}, warn });
  // What a program in plain JavaScript does; the types forbid it.
  const server = createServer((req, res) => {
    void guard(req as unknown as IncomingMessage, res as unknown as ServerResponse);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(async () => {
    session.destroy();
    server.close();
    await guard.close();
  });
  async function ask(headers: OutgoingHttpHeaders, body: Buffer | null): Promise<unknown> {
    const stream = session.request({ ':path': '/x', ...headers }, { endStream: body === null });
    stream.on('error', () => undefined);
    if (body) stream.end(body);
    const [answer] = (await once(stream, 'response')) as [Record<string, unknown>];
    stream.resume();
    return answer[':status'];
  }
  assert.equal(await ask({ 'x-api-key': 'some-key' }, null), 400);
  assert.equal(await ask({ 'x-auth-principal': 'service:me' }, null), 400);
  assert.equal(await ask({ ':method': 'POST', 'content-length': '100000' }, Buffer.alloc(100_000)), 400);
  assert.deepEqual(warnings.splice(1), [
    'HTTP/2.0 is not spoken here, so every such request is answered with 400: serve HTTP/1.1, and let a proxy before it speak HTTP/2',
  ]);
});
