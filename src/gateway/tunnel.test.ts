import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { openTunnel } from './tunnel.ts';

/** Both ends of a connection; neither closes because the other has. */
async function pair(t: TestContext): Promise<readonly [Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const near = connect({ port: (server.address() as AddressInfo).port, allowHalfOpen: true });
  const [far] = await accepted;
  t.after(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}

test('a client that says nothing more is given the last words of the upstream, and then both are let go', async (t) => {
  const [clientFar, client] = await pair(t);
  const [upstream, upstreamFar] = await pair(t);
  let ended = 0;
  openTunnel(client, upstream, [], () => (ended += 1), 1000);
  let heard = '';
  clientFar.on('data', (bytes: Buffer) => (heard += bytes.toString()));
  clientFar.end();
  upstreamFar.resume();
  await once(upstreamFar, 'end');
  upstreamFar.write('last words');
  // The upstream never ends by itself.
  await Promise.all([once(upstream, 'close'), once(client, 'close'), once(clientFar, 'end')]);
  assert.match(heard, /101 Switching Protocols[^]*last words$/);
  assert.equal(ended, 1);
});
