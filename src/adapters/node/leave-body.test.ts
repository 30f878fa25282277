import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { test, type TestContext } from 'node:test';
import { connection, exchange, type RawRequest } from '../../../test/fixtures/raw-http.ts';
import { leaveBody } from './leave-body.ts';

async function serve(t: TestContext, handle: (req: IncomingMessage) => Promise<string>): Promise<number> {
  const server = createServer((req, res) => {
    handle(req).then(
      (text) => res.end(text),
      (error: unknown) => res.end(`failed: ${(error as { code?: string }).code ?? String(error)}`),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function readByEvents(req: IncomingMessage): Promise<string> {
  let text = '';
  req.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(req, 'end');
  return text;
}

async function readByLoop(req: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of req) text += (chunk as Buffer).toString();
  return text;
}

async function readByPipe(req: IncomingMessage): Promise<string> {
  let text = '';
  await pipeline(req, async (source) => {
    for await (const chunk of source) text += (chunk as Buffer).toString();
  });
  return text;
}

/** As Next.js does, whose Request refuses a stream that somebody has read. */
async function readByRequest(req: IncomingMessage): Promise<string> {
  const init = { method: 'POST', body: req, duplex: 'half' };
  return new Request('http://127.0.0.1/', init as unknown as RequestInit).text();
}

const bodies: readonly [what: string, request: Partial<RawRequest>, text: string][] = [
  ['none', {}, ''],
  ['empty, of a length', { body: [] }, ''],
  ['empty, in chunks', { body: [], chunked: true }, ''],
  ['one piece', { body: [Buffer.from('hello')] }, 'hello'],
  ['pieces', { body: ['he', 'l', 'lo'].map((text) => Buffer.from(text)), chunked: true }, 'hello'],
];
const readers = { readByEvents, readByLoop, readByPipe, readByRequest };

for (const [what, request, text] of bodies) {
  for (const [how, read] of Object.entries(readers)) {
    for (const later of [false, true]) {
      test(`a body is held and read again: ${what}, ${how}${later ? ', later' : ''}`, async (t) => {
        const port = await serve(t, async (req) => {
          const held = await leaveBody(req, 100);
          if (later) await new Promise((resolve) => setImmediate(resolve));
          const again = await read(req);
          return `${held.toString()}|${again}|${req.readableEnded}`;
        });
        const answer = await exchange(port, { method: 'POST', target: '/', ...request });
        assert.equal(answer.body, `${text}|${text}|true`);
      });
    }
  }
}

test('a body that is here before anybody asks is held too', async (t) => {
  const port = await serve(t, async (req) => {
    while (!req.complete) await new Promise((resolve) => setImmediate(resolve));
    return `${(await leaveBody(req, 100)).toString()}|${await readByEvents(req)}`;
  });
  for (const [, request, text] of bodies) {
    const answer = await exchange(port, { method: 'POST', target: '/', ...request });
    assert.equal(answer.body, `${text}|${text}`);
  }
});

test('a body over the limit is refused as soon as it is, and left whole', async (t) => {
  const port = await serve(t, async (req) => {
    const fault = await leaveBody(req, 4).catch((error: { code?: string }) => error.code);
    return `${String(fault)}|${await readByEvents(req)}`;
  });
  for (const chunked of [false, true]) {
    const answer = await exchange(port, {
      method: 'POST',
      target: '/',
      body: [Buffer.from('hel'), Buffer.from('lo')],
      chunked,
    });
    assert.equal(answer.body, 'body_too_large|hello');
  }
});

test('a client that goes away in the middle is a body that is unavailable', async (t) => {
  const fault = Promise.withResolvers<unknown>();
  const port = await serve(t, async (req) => {
    leaveBody(req, 100).then(fault.resolve, fault.resolve);
    return await new Promise<string>(() => undefined);
  });
  const wire = connection(port);
  await wire.write({ method: 'POST', target: '/', lines: ['content-length: 10'] });
  await wire.bytes(Buffer.from('hello'));
  wire.destroy();
  assert.equal(((await fault.promise) as { code?: string }).code, 'body_unavailable');
});

test('a body that somebody read before is not mistaken for an empty one', async (t) => {
  const port = await serve(t, async (req) => {
    await readByEvents(req);
    return leaveBody(req, 100).then(
      () => 'held',
      (error: Error) => error.message,
    );
  });
  const answer = await exchange(port, { method: 'POST', target: '/', body: [Buffer.from('hello')] });
  assert.match(answer.body, /read before it could be verified/);
});
