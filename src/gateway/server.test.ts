import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import {
  collected,
  door,
  rawExchange,
  testUpstream,
  type Door,
  type TestUpstream,
} from '../../test/fixtures/gateway-door.ts';

const head = 'Host: a\r\nAuthorization: Bearer good\r\n';

describe('the server before the gateway', () => {
  let upstream: TestUpstream;
  let gate: Door;
  /** What is open at the upstream. */
  const streams = new Set<object>();

  before(async () => {
    upstream = await testUpstream((req, res) => {
      if (req.url === '/streams') {
        streams.add(res);
        res.once('close', () => streams.delete(res)).write('begun');
        return;
      }
      let body = '';
      req.on('data', (chunk) => (body += String(chunk)));
      req.on('end', () => res.end(`<${req.method} ${req.url} ${body}>`));
    });
    gate = await door({ services: [{ name: 'echo', upstream: upstream.url }], bodyIdleMillis: 1000 });
  });
  after(async () => {
    await gate.close();
    await upstream.close();
  });
  beforeEach(() => {
    upstream.seen.splice(0);
    gate.refused.splice(0);
  });

  const opened = async (): Promise<Socket> => {
    const socket = connect(gate.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };

  describe('a body that stops coming in', () => {
    for (const [name, framing] of [
      ['of a known length', 'Content-Length: 10\r\n\r\nhalf'],
      ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ])
      it(`${name} ends with 408, here and at the upstream, and in the audit`, async () => {
        const reply = await rawExchange(gate.port, `POST /echo/x HTTP/1.1\r\n${head}${framing}`);
        assert.match(reply, /^HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n/);
        assert.equal(reply.split('HTTP/1.1 ').length - 1, 1, 'exactly one answer');
        assert.match(gate.refused[0]?.denied.note ?? '', /the request body stopped coming in/);
      });

    it('is ended while it is held for its signature, too', async () => {
      const signed = 'Host: a\r\nAuthorization: Bearer signed\r\nContent-Length: 10\r\n\r\nhalf';
      assert.match(await rawExchange(gate.port, `POST /echo/x HTTP/1.1\r\n${signed}`), /^HTTP\/1\.1 408 /);
      assert.deepEqual(upstream.seen, []);
    });

    it('goes on while it moves, however slowly', async () => {
      const socket = await opened();
      const reply = collected(socket);
      socket.write(`POST /echo/x HTTP/1.1\r\n${head}Connection: close\r\nContent-Length: 8\r\n\r\n`);
      for (const byte of 'slowbody') {
        await new Promise((resolve) => setTimeout(resolve, 200));
        socket.write(byte);
      }
      assert.match(await reply, /<POST \/x slowbody>$/);
      assert.deepEqual(gate.refused, []);
    });

    it('may stand still once the answer streams', async () => {
      const socket = await opened();
      socket.write(`POST /echo/streams HTTP/1.1\r\n${head}Content-Length: 10\r\n\r\nhalf`);
      await once(socket, 'data');
      const ended = once(socket, 'close').then(() => 'ended');
      const still = new Promise((resolve) => setTimeout(resolve, 1500, 'open'));
      assert.equal(await Promise.race([ended, still]), 'open');
      socket.destroy();
    });
  });

  describe('what is sent ahead of an answer', () => {
    const upgrade = `GET /echo/x HTTP/1.1\r\n${head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
    const connecting = 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n';
    const healthy = async () => {
      const reply = await rawExchange(gate.port, `GET /echo/x HTTP/1.1\r\n${head}Connection: close\r\n\r\n`);
      assert.match(reply, /<GET \/x >$/);
    };

    for (const [name, behind] of [
      ['an upgrade', upgrade],
      ['a tunnel', connecting],
    ])
      it(`ends the connection when it is ${name}`, async () => {
        const socket = await opened();
        const reply = collected(socket);
        socket.write(`GET /echo/streams HTTP/1.1\r\n${head}\r\n${behind}`);
        assert.ok(!(await reply).includes('HTTP/1.1 400'));
        await healthy();
      });

    it('reaches nobody before its turn', async () => {
      const socket = await opened();
      socket.write(`GET /echo/streams HTTP/1.1\r\n${head}\r\nGET /echo/x HTTP/1.1\r\n${head}\r\n`);
      await once(socket, 'data');
      await healthy();
      assert.deepEqual(
        upstream.seen.map(({ url }) => url),
        ['/streams', '/x'],
      );
      socket.destroy();
    });

    it('ends the connection when it is more than anybody needs, and is served when it is less', async () => {
      const stream = `GET /echo/streams HTTP/1.1\r\n${head}\r\n`;
      const short = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
      const socket = await opened();
      socket.write(stream + short.repeat(101));
      await collected(socket);
      assert.match(gate.refused[0]?.denied.note ?? '', /more than 100 requests ahead of an answer/);
      while (streams.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      const plain = `GET /echo/x HTTP/1.1\r\n${head}\r\n`;
      const last = `GET /echo/last HTTP/1.1\r\n${head}Connection: close\r\n\r\n`;
      const reply = await rawExchange(gate.port, plain.repeat(100) + last);
      assert.equal(reply.split('<GET /x >').length - 1, 100);
      assert.match(reply, /<GET \/last >$/);
    });

    for (const [name, behind] of [
      ['an upgrade', upgrade],
      ['a tunnel', connecting],
      ['no HTTP', 'no HTTP\r\n\r\n'],
    ])
      it(`holds nothing once ${name} behind it ended the connection`, async () => {
        const stream = `GET /echo/streams HTTP/1.1\r\n${head}\r\n`;
        const socket = await opened();
        socket.write(`${stream.repeat(5)}${behind}`);
        await collected(socket);
        while (streams.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
        await healthy();
      });

    for (const how of ['destroy', 'resetAndDestroy'] as const)
      it(`is forgotten with the connection: two uploads, ${how}`, async () => {
        const post = `POST /echo/streams HTTP/1.1\r\n${head}`;
        for (let time = 0; time < 5; time += 1) {
          const socket = await opened();
          socket.write(`${post}Content-Length: 5\r\n\r\nhello${post}Content-Length: 50\r\n\r\nhel`);
          await new Promise((resolve) => setTimeout(resolve, 50));
          socket[how]();
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
        await healthy();
      });
  });

  describe('what is no HTTP', () => {
    it('is counted with the address it came from', async () => {
      const reply = await rawExchange(gate.port, `POST /echo/ HTTP/1.1\r\n${head}Content-Length: +1\r\n\r\nG`);
      assert.match(reply, /^HTTP\/1\.1 400 /);
      const [refused] = gate.refused;
      assert.equal(refused?.denied.reason, 'bad_request');
      assert.match(refused?.denied.note ?? '', /^HPE_INVALID_CONTENT_LENGTH: /);
      assert.deepEqual([refused?.method, refused?.path, refused?.service], ['', '', '']);
    });
  });

  // RFC 9110 §7.8: a server may ignore it, and a gateway hands it to nobody.
  for (const [what, offer] of [
    [
      'an offer of HTTP/2 in the clear',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
    ],
    ['an offer of another protocol', 'Connection: Upgrade\r\nUpgrade: TLS/1.3\r\n'],
    ['an offer of several protocols', 'Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n'],
  ] as const)
    describe(what, () => {
      it('is ignored, and the upstream hears nothing of it', async () => {
        const reply = await rawExchange(gate.port, `GET /echo/x HTTP/1.1\r\n${head}${offer}\r\n`);
        assert.match(reply, /^HTTP\/1\.1 200 OK\r\n/);
        assert.match(reply, /\r\nConnection: close\r\n/);
        assert.match(reply, /<GET \/x >$/);
        const names = Object.keys(upstream.seen[0]?.headers ?? {});
        for (const name of ['upgrade', 'http2-settings']) assert.ok(!names.includes(name), `${name} was passed on`);
      });

      ignoredWithBodies(offer);
    });

  describe('a WebSocket handshake that is none, since it is no GET or has a body', () => {
    ignoredWithBodies('Connection: Upgrade\r\nUpgrade: websocket\r\n');
  });

  function ignoredWithBodies(offer: string): void {
    it('takes nothing from a body', async () => {
      for (const method of ['POST', 'GET']) {
        const framed = [`Content-Length: 5\r\n\r\nhello`, 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'];
        for (const body of framed) {
          const reply = await rawExchange(gate.port, `${method} /echo/x HTTP/1.1\r\n${head}${offer}${body}`);
          assert.ok(
            reply.endsWith(`<${method} /x hello>`) || reply.endsWith(`<${method} /x hello>\r\n0\r\n\r\n`),
            reply,
          );
        }
      }
    });

    it('lets nothing follow on its connection', async () => {
      const inner = `GET /echo/smuggled HTTP/1.1\r\n${head}\r\n`;
      const second = `POST /echo/second HTTP/1.1\r\n${head}Content-Length: ${inner.length}\r\n\r\n`;
      const socket = await opened();
      const reply = collected(socket);
      socket.write(`POST /echo/first HTTP/1.1\r\n${head}${offer}Content-Length: 2\r\n\r\nok${second}`);
      await new Promise((resolve) => setImmediate(resolve));
      socket.write(inner);
      await reply;
      for (const { url } of upstream.seen) assert.equal(url, '/first');
    });
  }
});
