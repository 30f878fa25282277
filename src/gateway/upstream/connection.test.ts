import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { listening } from '../../../test/fixtures/gateway-door.ts';
import { UpstreamConnection, type ResponseHandler, type UpstreamRequest } from './connection.ts';
import type { Origin } from './open-socket.ts';
import type { UpstreamError } from './fault.ts';
import type { ResponseHead } from './response-head.ts';

const get: UpstreamRequest = { method: 'GET', head: 'GET / HTTP/1.1\r\nhost: x\r\n', body: null, chunked: false };
const answer = (body: string, ...lines: string[]): string =>
  ['HTTP/1.1 200 OK', `Content-Length: ${body.length}`, ...lines, '', body].join('\r\n');

/** Collects one response. `takes`: what onBody says. */
class Collector implements ResponseHandler {
  readonly #over = Promise.withResolvers<'end' | UpstreamError>();
  readonly over = this.#over.promise;
  head: ResponseHead | null = null;
  body = '';
  takes = true;
  onHead(head: ResponseHead): void {
    this.head = head;
  }
  onBody(bytes: Buffer): boolean {
    this.body += bytes.toString('latin1');
    return this.takes;
  }
  onPause(): void {}
  onEnd(last: Buffer | null): void {
    this.body += last?.toString('latin1') ?? '';
    this.#over.resolve('end');
  }
  onSwitch(_head: ResponseHead, socket: Socket): void {
    socket.destroy();
  }
  onError(error: UpstreamError): void {
    this.#over.resolve(error);
  }
}

/** Sends and waits for what comes of it. */
async function exchange(connection: UpstreamConnection, request = get): Promise<Collector> {
  const collector = new Collector();
  connection.send(request, collector);
  await collector.over;
  return collector;
}

const usable = (connection: UpstreamConnection, inMillis = 0): boolean =>
  connection.usable(performance.now() + inMillis);

describe('a connection to an upstream', () => {
  let server: Server;
  let origin: Origin;
  let onRequest: (socket: Socket, count: number) => void;
  const sockets = new Set<Socket>();

  beforeEach(async () => {
    server = createServer((socket) => {
      let count = 0;
      sockets.add(socket);
      socket.on('error', () => undefined).on('data', () => onRequest(socket, (count += 1)));
    });
    origin = { host: '127.0.0.1', port: await listening(server), tls: false, connectTimeout: 2000 };
  });
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('carries one request after the other', async () => {
    onRequest = (socket, count) => socket.write(answer(`body ${count}`));
    const connection = new UpstreamConnection(origin, false);
    for (const count of [1, 2, 3]) {
      assert.equal((await exchange(connection)).body, `body ${count}`);
      assert.equal(usable(connection), true);
    }
    assert.equal(sockets.size, 1);
    connection.destroy();
    assert.equal(usable(connection), false);
  });

  for (const [name, reply] of [
    ['the upstream says that it closes', answer('x', 'Connection: close')],
    ['it is of HTTP/1.0', answer('x').replace('1.1', '1.0')],
    ['its idle time is too short to be sure of it', answer('x', 'Keep-Alive: timeout=1')],
    ['bytes follow that nobody asked for', `${answer('x')}HTTP/1.1 200 OK\r\n`],
  ] as const)
    it(`is not used again where ${name}`, async () => {
      onRequest = (socket) => socket.write(reply);
      const connection = new UpstreamConnection(origin, false);
      assert.equal((await exchange(connection)).body, 'x');
      assert.equal(usable(connection), false);
    });

  it('is used again no longer than the upstream says, and a margin less', async () => {
    onRequest = (socket) => socket.write(answer('x', 'Keep-Alive: timeout=30'));
    const connection = new UpstreamConnection(origin, false);
    await exchange(connection);
    assert.equal(usable(connection, 25_000), true);
    assert.equal(usable(connection, 29_000), false);
    connection.destroy();
  });

  it('is not used again once bytes came in while nobody asked for any', async () => {
    const closed = Promise.withResolvers<void>();
    onRequest = (socket) => {
      socket.on('close', () => closed.resolve());
      socket.write(answer('x'), () => setTimeout(() => socket.write(answer('planted')), 20));
    };
    const connection = new UpstreamConnection(origin, false);
    assert.equal((await exchange(connection)).body, 'x');
    await closed.promise;
    assert.equal(usable(connection), false);
  });

  it('says that it was stale when it ends with its second request unanswered, and not with its first', async () => {
    onRequest = (socket, count) => (count === 1 ? socket.write(answer('x')) : socket.destroy());
    const connection = new UpstreamConnection(origin, false);
    await exchange(connection);
    const second = await (await exchange(connection)).over;
    assert.ok(second !== 'end');
    assert.deepEqual([second.code, second.stale], ['connection_lost', true]);

    onRequest = (socket) => socket.destroy();
    const first = await (await exchange(new UpstreamConnection(origin, false))).over;
    assert.ok(first !== 'end');
    assert.deepEqual([first.code, first.stale], ['connection_lost', false]);
  });

  it('is not stale once a byte of the answer came', async () => {
    onRequest = (socket, count) => (count === 1 ? socket.write(answer('x')) : socket.end('HTTP/1.1 2'));
    const connection = new UpstreamConnection(origin, false);
    await exchange(connection);
    const second = await (await exchange(connection)).over;
    assert.ok(second !== 'end');
    assert.equal(second.stale, false);
  });

  it('reads on only when its handler can take more, and is whole afterwards', async () => {
    const size = 8_000_000;
    let written: Socket | null = null;
    onRequest = (socket, count) => {
      written = socket;
      socket.write(count === 1 ? answer('a'.repeat(size)) : answer('next'));
    };
    const connection = new UpstreamConnection(origin, false);
    const collector = new Collector();
    collector.takes = false;
    connection.send(get, collector);
    while (collector.body === '') await new Promise((resolve) => setImmediate(resolve));
    const held = collector.body.length;
    // The other side's buffers fill up and stay full: it is the connection that does not read.
    for (let last = -1; last !== (written as Socket | null)?.writableLength;) {
      last = (written as Socket | null)?.writableLength ?? -1;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.ok((written as Socket | null)?.writableNeedDrain);
    assert.equal(collector.body.length, held);
    collector.takes = true;
    connection.resume();
    await collector.over;
    assert.equal(collector.body.length, size);
    assert.equal((await exchange(connection)).body, 'next');
    connection.destroy();
  });

  it('is read on when the end came while its handler could take no more', async () => {
    onRequest = (socket, count) =>
      socket.write(
        count === 1
          ? 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n'
          : answer('next'),
      );
    const connection = new UpstreamConnection(origin, false);
    const collector = new Collector();
    collector.takes = false;
    connection.send(get, collector);
    await collector.over;
    assert.equal(collector.body, 'ab');
    assert.equal((await exchange(connection)).body, 'next');
    connection.destroy();
  });

  it('gives up where no connection stands in time', async () => {
    // Nobody accepts at an address that is set aside for documents (RFC 5737); some networks refuse it at once.
    const connection = new UpstreamConnection({ ...origin, host: '192.0.2.1', port: 9, connectTimeout: 100 }, false);
    const error = await (await exchange(connection)).over;
    assert.ok(error !== 'end');
    assert.match(error.code, /^(?:connect_timeout|unreachable)$/);
  });

  it('says that nobody listens', async () => {
    server.close();
    await once(server, 'close');
    const error = await (await exchange(new UpstreamConnection(origin, false))).over;
    assert.ok(error !== 'end');
    assert.equal(error.code, 'unreachable');
  });
});

describe('a connection to an upstream with TLS', () => {
  const folder = new URL('../../../test/fixtures/tls/', import.meta.url);
  const [key, cert] = ['localhost.key', 'localhost.crt'].map((name) => readFileSync(new URL(name, folder), 'utf8'));
  const trusted = getCACertificates('default');
  let server: ReturnType<typeof createHttpsServer>;
  let origin: Origin;

  beforeEach(async () => {
    server = createHttpsServer({ key: key ?? '', cert: cert ?? '' }, (req, res) => res.end(`for ${req.headers.host}`));
    origin = { host: 'localhost', port: await listening(server), tls: true, connectTimeout: 2000 };
  });
  afterEach(() => {
    setDefaultCACertificates(trusted);
    server.closeAllConnections();
    server.close();
  });

  it('carries requests to one whose certificate is trusted', async () => {
    setDefaultCACertificates([...trusted, cert ?? '']);
    const connection = new UpstreamConnection(origin, false);
    for (let count = 0; count < 2; count += 1) {
      const { head, body } = await exchange(connection);
      assert.equal(head?.status, 200);
      assert.equal(body, 'for x');
    }
    connection.destroy();
  });

  it('sends nothing to one whose certificate nobody vouches for, or that bears another name', async () => {
    let requests = 0;
    server.on('request', () => (requests += 1));
    const unknown = await (await exchange(new UpstreamConnection(origin, false))).over;
    assert.ok(unknown !== 'end');
    assert.equal(unknown.code, 'unreachable');
    assert.equal(unknown.message, 'self-signed certificate; name its authority by tls: { ca: FILE }');

    setDefaultCACertificates([...trusted, cert ?? '']);
    const misnamed = await (await exchange(new UpstreamConnection({ ...origin, host: '127.0.0.1' }, false))).over;
    assert.ok(misnamed !== 'end');
    assert.equal(misnamed.code, 'unreachable');
    assert.equal(requests, 0);
  });

  it('says of an upstream without TLS that it has none', async (t) => {
    const plain = createServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    t.after(() => plain.close());
    const port = await listening(plain);
    const over = await (await exchange(new UpstreamConnection({ ...origin, port }, false))).over;
    assert.ok(over !== 'end');
    assert.match(over.message, /^it speaks no TLS; where it is meant to be without, write http:\/\//);
  });
});
