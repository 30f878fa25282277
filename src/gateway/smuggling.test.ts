import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import {
  collected,
  door,
  rawExchange,
  testUpstream,
  type Door,
  type TestUpstream,
} from '../../test/fixtures/gateway-door.ts';

const auth = 'Authorization: Bearer good\r\n';

describe('what could be read in two ways', () => {
  let upstream: TestUpstream;
  let gate: Door;

  before(async () => {
    upstream = await testUpstream((req, res) => req.resume().on('end', () => res.end('reached')));
    gate = await door({ services: [{ name: 'echo', upstream: upstream.url, mount: '/' }] });
  });
  after(async () => {
    await gate.close();
    await upstream.close();
  });
  beforeEach(() => void upstream.seen.splice(0));

  const refusals: readonly (readonly [name: string, bytes: string, status?: number])[] = [
    [
      'Content-Length beside Transfer-Encoding',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`,
    ],
    [
      'Transfer-Encoding beside Content-Length',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nG`,
    ],
    [
      'two equal Content-Length lines',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: 1\r\nContent-Length: 1\r\n\r\nG`,
    ],
    [
      'two differing Content-Length lines',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: 1\r\nContent-Length: 2\r\n\r\nGG`,
    ],
    ['a list of lengths', `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: 1, 1\r\n\r\nG`],
    ['a signed length', `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: +1\r\n\r\nG`],
    ['a negative length', `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: -1\r\n\r\nG`],
    ['a hexadecimal length', `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: 0x1\r\n\r\nG`],
    [
      'a length beyond all numbers',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: 99999999999999999999\r\n\r\nG`,
    ],
    ['a space before the colon', `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Content-Length : 1\r\n\r\nG`],
    [
      'an unknown transfer coding',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['identity as a transfer coding', `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: identity\r\n\r\n`],
    ['chunked twice', `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
    [
      'two Transfer-Encoding lines',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'a coding that only looks like chunked',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'chunked with a vertical tab',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'Transfer-Encoding in HTTP/1.0',
      `POST /echo/ HTTP/1.0\r\nHost: a\r\n${auth}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'a chunk size that is no number',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n`,
    ],
    [
      'a chunk longer than it says',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n`,
    ],
    [
      'a chunk size of 70 bits',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff0\r\nhello\r\n0\r\n\r\n`,
    ],
    [
      'a bare LF after a chunk size',
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`,
    ],
    ['a folded header', `GET /echo/ HTTP/1.1\r\nHost: a\r\n${auth}X-Folded: a\r\n b\r\n\r\n`],
    ['a bare LF between headers', `GET /echo/ HTTP/1.1\r\nHost: a\n${auth}\r\n`],
    ['a bare CR in a value', `GET /echo/ HTTP/1.1\r\nHost: a\r\n${auth}X-A: b\rc\r\n\r\n`],
    ['a NUL in a value', `GET /echo/ HTTP/1.1\r\nHost: a\r\n${auth}X-A: b\0c\r\n\r\n`],
    ['a header name with a space', `GET /echo/ HTTP/1.1\r\nHost: a\r\n${auth}X A: b\r\n\r\n`],
    ['an absolute target', `GET http://127.0.0.1/echo/ HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['a fragment', `GET /echo/#f HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['a fragment in the query', `GET /echo/?a#f HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['dot segments', `GET /echo/../echo/ HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['encoded dot segments', `GET /echo/%2e%2e/ HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['an encoded slash', `GET /echo%2f HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['an empty segment', `GET //echo/ HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['a backslash', `GET /echo\\a HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['a NUL in the path', `GET /echo/%00 HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['a semicolon in the path', `GET /echo/..;/ HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['no target that begins with a slash', `OPTIONS * HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['CONNECT', `CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['CONNECT to a path', `CONNECT /echo/ HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['TRACE', `TRACE /echo/ HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['an unknown method', `G=T /echo/ HTTP/1.1\r\nHost: a\r\n${auth}\r\n`],
    ['two Host lines', `GET /echo/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n${auth}\r\n`],
    ['no Host', `GET /echo/ HTTP/1.1\r\n${auth}\r\n`],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['HTTP/0.9', 'GET /echo/\r\n\r\n'],
    ['HTTP/1.2', `GET /echo/ HTTP/1.2\r\nHost: a\r\n${auth}\r\n`],
    ['129 header lines', `GET /echo/ HTTP/1.1\r\nHost: a\r\n${auth}${'X-A: b\r\n'.repeat(127)}\r\n`],
    ['1,000 header lines', `GET /echo/ HTTP/1.1\r\nHost: a\r\n${'A:\r\n'.repeat(1000)}${auth}\r\n`],
    ['a head of more than 16 KiB', `GET /echo/ HTTP/1.1\r\nHost: a\r\n${auth}X-A: ${'b'.repeat(17_000)}\r\n\r\n`, 431],
  ];

  for (const [name, bytes, wanted = 400] of refusals) {
    it(`refuses ${name} and tells the upstream nothing`, async () => {
      const reply = await closing(bytes);
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(reply)?.[1]);
      assert.equal(status, wanted, `answered with: ${reply.slice(0, 200)}`);
      assert.match(reply, /"reason":"bad_request"|^HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n/);
      assert.deepEqual(upstream.seen, []);
      assert.equal(reply.split('HTTP/1.1 ').length - 1, 1, 'exactly one answer');
    });
  }

  /** Sends the bytes and half-closes, so that a kept-alive connection ends once its answer is out. */
  async function closing(bytes: string): Promise<string> {
    const socket = connect(gate.port, '127.0.0.1');
    const reply = collected(socket);
    await once(socket, 'connect');
    socket.end(Buffer.from(bytes, 'latin1'));
    return reply;
  }

  it('never takes the body of a refused request for a next request', async () => {
    const inner = `GET /echo/inner HTTP/1.1\r\nHost: a\r\n${auth}\r\n`;
    const reply = await closing(`POST /echo/ HTTP/1.1\r\nHost: a\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`);
    assert.match(reply, /^HTTP\/1\.1 401/);
    assert.equal(reply.split('HTTP/1.1 ').length - 1, 1);
    assert.deepEqual(upstream.seen, []);
  });

  it('closes the connection when a refused body has not all come', async () => {
    const reply = await rawExchange(
      gate.port,
      'POST /echo/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\nabc' + 'x'.repeat(2_000_000),
    );
    assert.match(reply, /^HTTP\/1\.1 401/);
    assert.match(reply, /connection: close/i);
  });

  it('does not ask for a body that it refuses', async () => {
    const reply = await rawExchange(
      gate.port,
      'POST /echo/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
    );
    assert.match(reply, /^HTTP\/1\.1 401/);
    assert.ok(!reply.includes('100 Continue'));
  });

  it('asks for the body once the verdict allows it', async () => {
    const socket = connect(gate.port, '127.0.0.1');
    const reply = collected(socket);
    socket.write(
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Expect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`,
    );
    await once(socket, 'data');
    socket.write('hello');
    assert.match(await reply, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200/);
    assert.equal(upstream.seen[0]?.headers.expect, undefined);
  });

  // RFC 9110 §15.2: a proxy that speaks HTTP/1.0 takes it for the answer, and what follows for the answer to somebody else.
  it('says 100 to nobody of HTTP/1.0, whatever is expected', async () => {
    for (const [credential, expectation, answered] of [
      [auth, '100-continue', 200],
      [auth, 'anything', 200],
      ['Authorization: Bearer signed\r\n', '100-continue', 200],
      ['', '100-continue', 401],
    ] as const) {
      const reply = await rawExchange(
        gate.port,
        `POST /echo/ HTTP/1.0\r\nHost: a\r\n${credential}Expect: ${expectation}\r\nContent-Length: 5\r\n\r\nhello`,
      );
      assert.match(reply, new RegExp(`^HTTP/1\\.1 ${answered} `));
    }
  });

  it('answers HEAD without a body when it refuses', async () => {
    const reply = await rawExchange(gate.port, 'HEAD /echo/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match(reply, /^HTTP\/1\.1 401/);
    assert.match(reply, /content-length: 9\d/);
    assert.ok(reply.endsWith('\r\n\r\n'));
  });

  it('keeps the framing of chunked and of measured bodies', async () => {
    await rawExchange(
      gate.port,
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: t\r\n\r\n`,
    );
    await rawExchange(
      gate.port,
      `POST /echo/ HTTP/1.1\r\nHost: a\r\n${auth}Connection: close\r\nContent-Length: 5\r\n\r\nhello`,
    );
    const [chunked, measured] = upstream.seen;
    assert.equal(chunked?.headers['transfer-encoding'], 'chunked');
    assert.equal(chunked?.headers['content-length'], undefined);
    assert.equal(measured?.headers['content-length'], '5');
    assert.equal(measured?.headers['transfer-encoding'], undefined);
  });

  it('serves pipelined requests in order', async () => {
    const one = `GET /echo/1 HTTP/1.1\r\nHost: a\r\n${auth}\r\n`;
    const reply = await rawExchange(gate.port, one + one + one.replace('Host', 'Connection: close\r\nHost'));
    assert.equal(reply.split('reached').length - 1, 3);
  });
});
