import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { heldBodies, heldBytesMax } from './held-bodies.ts';

/** Uploads that arrive as far as they are sent, and the requests on which they do. */
async function uploads(t: TestContext) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return async (declared: number): Promise<{ socket: Socket; req: IncomingMessage; res: ServerResponse }> => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').resume();
    t.after(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${declared}\r\n\r\n`);
    const [req, res] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
    return { socket, req, res };
  };
}

const noRoom = { code: 'no_room_for_body' };

test('the bodies of all requests together are held within the bound, until they are answered', async (t) => {
  const upload = await uploads(t);
  const { hold } = heldBodies(() => 120);
  const [one, two, three] = [await upload(60), await upload(60), await upload(30)];
  const first = hold(one.req, one.res, 100, { caller: 'a' });
  one.socket.write('a'.repeat(60));
  assert.equal((await first).length, 60);
  const second = hold(two.req, two.res, 100, { caller: 'b' });
  two.socket.write('b'.repeat(60));
  await assert.rejects(second, noRoom);
  const third = hold(three.req, three.res, 100, { caller: 'b' });
  three.socket.write('c'.repeat(30));
  assert.equal((await third).length, 30, 'what is refused takes no room');
  one.res.end();
  await once(one.res, 'close');
  const four = await upload(45);
  const fourth = hold(four.req, four.res, 100, { caller: 'a' });
  four.socket.write('d'.repeat(45));
  assert.equal((await fourth).length, 45);
});

test('a caller, or all strangers, hold no more than they leave to others, and give back what is theirs', async (t) => {
  const upload = await uploads(t);
  const { hold } = heldBodies(() => 100);
  for (const caller of [undefined, 'a', 'a']) {
    const [one, two, other] = [await upload(50), await upload(1), await upload(25)];
    const first = hold(one.req, one.res, 100, { caller });
    one.socket.write('a'.repeat(50));
    assert.equal((await first).length, 50);
    const second = hold(two.req, two.res, 100, { caller });
    two.socket.write('b');
    await assert.rejects(second, noRoom);
    const third = hold(other.req, other.res, 100, { caller: 'b' });
    other.socket.write('c'.repeat(25));
    assert.equal((await third).length, 25);
    for (const { res } of [one, other]) {
      res.end();
      await once(res, 'close');
    }
  }
});

test('a client that goes away gives its room back', async (t) => {
  const upload = await uploads(t);
  const { hold } = heldBodies(() => 200);
  for (let time = 0; time < 5; time += 1) {
    const { socket, req, res } = await upload(90);
    const held = hold(req, res, 100);
    const closed = once(res, 'close');
    socket.write('a'.repeat(80));
    await once(req, 'data');
    socket.destroy();
    await assert.rejects(held, { code: 'body_unavailable' });
    await closed;
  }
});

test('what has no room can be streamed on', async (t) => {
  const upload = await uploads(t);
  const { hold } = heldBodies(() => 10);
  const { socket, req, res } = await upload(20);
  const held = hold(req, res, 100);
  socket.write('a'.repeat(20));
  await assert.rejects(held, noRoom);
  let size = 0;
  for await (const chunk of req) size += (chunk as Buffer).length;
  assert.equal(size, 20);
});

test('four of the largest fit in any case', () => {
  const services = (sizes: number[]) => ({ services: sizes.map((maxSignedBody) => ({ maxSignedBody })) });
  const max = (...sizes: number[]) => heldBytesMax(services(sizes) as unknown as Parameters<typeof heldBytesMax>[0]);
  assert.equal(max(), 64 << 20);
  assert.equal(max(10 << 20), 64 << 20);
  assert.equal(max(10 << 20, 100 << 20), 400 << 20);
});

test('who asked for the body sees it as it arrives', async (t) => {
  const upload = await uploads(t);
  const { hold } = heldBodies(() => 100);
  const { socket, req, res } = await upload(5);
  const shown: string[] = [];
  const onPiece = (piece: Uint8Array): void => {
    shown.push(Buffer.from(piece).toString());
    if (shown.length === 1) socket.write('lo');
  };
  const held = hold(req, res, 100, { onPiece });
  socket.write('hel');
  assert.equal((await held).toString(), 'hello');
  assert.deepEqual(shown, ['hel', 'lo']);
});
