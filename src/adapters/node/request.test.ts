import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { probeRequestId } from '../../core/probe.ts';
import { addressList } from '../../core/address.ts';
import { leaveBody } from './leave-body.ts';
import { nodeRequest, type NodeRequest } from './request.ts';

describe('a node:http request as an AuthRequest', () => {
  let server: Server;
  let use: (req: IncomingMessage) => Promise<void>;

  before(async () => {
    server = createServer((req, res) => {
      use(req).then(
        () => res.end('fine'),
        (error: unknown) => {
          res.statusCode = 500;
          res.end(String(error instanceof Error ? error.stack : error));
        },
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
  });

  /** Sends the bytes and lets `look` see the request; fails with what `look` threw. */
  async function given(
    bytes: string,
    look: (request: NodeRequest) => void | Promise<void>,
    trusted: readonly string[] = [],
  ) {
    use = async (req) => {
      const options = { req, service: 's', path: '/p', trustedProxies: addressList(trusted), bodyLimit: 10 };
      await look(nodeRequest(options));
    };
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(bytes);
    let reply = '';
    socket.on('data', (chunk) => (reply += chunk.toString('latin1')));
    await once(socket, 'close');
    assert.match(reply, /^HTTP\/1\.1 200/, reply);
  }

  const head = (lines: string) => `GET /s/p?q HTTP/1.1\r\nHost: A.example:80\r\nConnection: close\r\n${lines}\r\n`;

  it('gives field lines in order and never joined', () =>
    given(head('X-Api-Key: one\r\nx-api-key: two\r\nX-API-KEY: three\r\n'), (request) => {
      assert.deepEqual(request.fields('x-api-key'), ['one', 'two', 'three']);
      assert.deepEqual(request.fields('absent'), []);
      assert.equal(request.target, '/s/p?q');
      assert.equal(request.authority, 'a.example:80');
      assert.equal(request.remoteAddress, '127.0.0.1');
    }));

  it('takes the word of trusted proxies on address, host, protocol and request id', () =>
    given(
      head(
        'X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Host: b.example\r\nX-Forwarded-Proto: https\r\nX-Request-Id: abc-1\r\n',
      ),
      (request) => {
        assert.equal(request.remoteAddress, '203.0.113.9');
        assert.equal(request.authority, 'b.example');
        assert.equal(request.protocol, 'https');
        assert.equal(request.requestId, 'abc-1');
      },
      ['127.0.0.1'],
    ));

  it('makes up a request id where the given one is not trusted or not plain', async () => {
    const ids = new Set<string>();
    await given(head('X-Request-Id: abc-1\r\n'), ({ requestId }) => void ids.add(requestId));
    await given(head('X-Request-Id: a b"c\r\n'), ({ requestId }) => void ids.add(requestId), ['127.0.0.1']);
    await given(head('X-Request-Id: a\r\nX-Request-Id: b\r\n'), ({ requestId }) => void ids.add(requestId), [
      '127.0.0.1',
    ]);
    // Under such an id stands what an operator asks, which is not counted.
    const asked = probeRequestId('a', 'operator');
    await given(head(`X-Request-Id: ${asked}\r\n`), ({ requestId }) => void ids.add(requestId), ['127.0.0.1']);
    assert.equal(ids.size, 4);
    for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-z]+$/);
  });

  it('reads the exact bytes, twice', () =>
    given(
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\n\x00\x01\r\n',
      async (request) => {
        assert.deepEqual(await request.body(), Buffer.from([0, 1, 13, 10]));
        assert.deepEqual(await request.body(), Buffer.from([0, 1, 13, 10]));
      },
    ));

  for (const [how, holding] of [
    ['taken', {}],
    ['left in the stream', { hold: leaveBody }],
  ] as const)
    it(`shows a body as it arrives, and not only when it is whole: ${how}`, async () => {
      const port = (server.address() as AddressInfo).port;
      const socket = connect(port, '127.0.0.1');
      const shown: string[] = [];
      const whole = Promise.withResolvers<string>();
      use = async (req) => {
        const from = { req, service: 's', path: '/p', trustedProxies: addressList([]), bodyLimit: 10, ...holding };
        const body = nodeRequest(from).body((piece) => {
          shown.push(Buffer.from(piece).toString());
          // The rest is sent when this has been seen.
          if (shown.length === 1) socket.write('lo');
        });
        whole.resolve(Buffer.from(await body).toString());
      };
      socket.write('POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhel');
      assert.equal(await whole.promise, 'hello');
      assert.deepEqual(shown, ['hel', 'lo']);
      socket.destroy();
    });

  it('rejects a body over the limit, announced or not', async () => {
    const tooLarge = { code: 'body_too_large' };
    await given(
      `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 11\r\n\r\n${'x'.repeat(11)}`,
      async (request) => {
        await assert.rejects(request.body(), tooLarge);
        await assert.rejects(request.body(), tooLarge);
      },
    );
    await given(
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nxxxxxxxxxxx\r\n0\r\n\r\n',
      (request) => assert.rejects(request.body(), tooLarge),
    );
  });

  it('rejects a body that broke off', async () => {
    const seen = Promise.withResolvers<unknown>();
    use = async (req) => {
      const options = { req, service: 's', path: '/p', trustedProxies: addressList([]), bodyLimit: 10 };
      await nodeRequest(options).body().catch(seen.resolve);
    };
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab', () => socket.destroy());
    assert.equal(((await seen.promise) as { code: string }).code, 'body_unavailable');
  });
});
