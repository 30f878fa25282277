import assert from 'node:assert/strict';
import { request } from 'node:http';
import { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { UpstreamError } from './fault.ts';
import type { ResponseHead } from './response-head.ts';
import { ResponseReader } from './response-reader.ts';

interface Whole {
  readonly head: ResponseHead | null;
  readonly body: Buffer;
  readonly ended: boolean;
  readonly taken: number;
}

/** Reads pieces as they would come from a connection, which ends behind them where `closes`. */
function read(pieces: readonly Buffer[], { method = 'GET', closes = false } = {}): Whole {
  let head: ResponseHead | null = null;
  let ended = false;
  let taken = 0;
  const body: Buffer[] = [];
  const reader = new ResponseReader(
    {
      head: (value) => (head = value),
      body: (bytes) => body.push(Buffer.from(bytes)),
      end(last) {
        ended = true;
        if (last !== null) body.push(Buffer.from(last));
      },
    },
    method,
  );
  for (const piece of pieces) if (!reader.done) taken += reader.read(piece);
  if (closes) reader.close();
  return { head, body: Buffer.concat(body), ended, taken };
}

const text = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1');
const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof UpstreamError && error.code === 'bad_response' && pattern.test(error.message);

function chunked(pieces: readonly Uint8Array[]): Buffer {
  const chunks = pieces.map((piece) =>
    Buffer.concat([Buffer.from(`${piece.length.toString(16)};note="x"\r\n`), piece, Buffer.from('\r\n')]),
  );
  return Buffer.concat([...chunks, Buffer.from('0\r\nTrailer: read over\r\n\r\n')]);
}

const bodyPieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 5 });
const framings = fc.constantFrom('length', 'chunked', 'close');
const responses = fc
  .record({
    bodies: bodyPieces,
    framing: framings,
    status: fc.constantFrom(200, 201, 404, 503),
    value: fc.stringMatching(/^[!-~\x80-\xff]([ -~\x80-\xff]{0,20}[!-~\x80-\xff])?$/),
    interim: fc.boolean(),
  })
  .map(({ bodies, framing, status, value, interim }) => {
    const whole = Buffer.concat(bodies);
    const said = { length: `Content-Length: ${whole.length}`, chunked: 'Transfer-Encoding: chunked', close: 'X: y' };
    const head = text(
      ...(interim ? ['HTTP/1.1 103 Early Hints', 'Link: </a.css>', ''] : []),
      `HTTP/1.1 ${status} Some words`,
      `X-Value: \t${value} `,
      said[framing as keyof typeof said],
      '\r\n',
    );
    return { head, body: whole, wire: Buffer.concat([head, framing === 'chunked' ? chunked(bodies) : whole]), framing };
  });

describe('a response that is read', () => {
  it('is the same however its bytes were cut', () => {
    fc.assert(
      fc.property(responses, fc.array(fc.nat(400), { maxLength: 12 }), ({ wire, body, framing }, cuts) => {
        const places = [0, ...cuts.filter((cut) => cut < wire.length).sort((a, b) => a - b), wire.length];
        const pieces = places.slice(1).map((end, index) => Buffer.from(wire.subarray(places[index], end)));
        const closes = framing === 'close';
        const cut = read(pieces, { closes });
        assert.deepEqual(cut, read([wire], { closes }));
        assert.deepEqual(cut.body, body);
        assert.equal(cut.ended, true);
        assert.equal(cut.taken, wire.length);
      }),
    );
  });

  it('is the same when every byte comes alone', () => {
    fc.assert(
      fc.property(responses, ({ wire, framing }) => {
        const pieces = Array.from(wire, (byte) => Buffer.of(byte));
        const closes = framing === 'close';
        assert.deepEqual(read(pieces, { closes }), read([wire], { closes }));
      }),
    );
  });

  it('ends where it says, and not with the bytes behind it', () => {
    fc.assert(
      fc.property(responses, fc.uint8Array({ minLength: 1, maxLength: 30 }), ({ wire, body, framing }, more) => {
        fc.pre(framing !== 'close');
        const whole = read([Buffer.concat([wire, more])]);
        assert.equal(whole.taken, wire.length);
        assert.deepEqual(whole.body, body);
      }),
    );
  });

  it('has no body where the request or the status says so', () => {
    const head = text('HTTP/1.1 200 OK', 'Content-Length: 5', '', '');
    assert.deepEqual(read([head], { method: 'HEAD' }).ended, true);
    for (const status of [204, 304]) {
      const whole = read([text(`HTTP/1.1 ${status} x`, 'Content-Length: 5', '', 'HTTP/')]);
      assert.equal(whole.ended, true);
      assert.equal(whole.body.length, 0);
    }
  });

  it('leaves what comes behind a switch of protocols to the new one', () => {
    const head = text('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: upgrade', '', '');
    const whole = read([Buffer.concat([head, Buffer.from('frame')])]);
    assert.equal(whole.head?.status, 101);
    assert.equal(whole.taken, head.length);
    assert.equal(whole.ended, false);
  });

  it('is broken off when the connection ends before it', () => {
    for (const cut of [
      text('HTTP/1.1 200 OK', 'Content-Le'),
      text('HTTP/1.1 200 OK', 'Content-Length: 5', '', 'four'),
      text('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '4', 'four', ''),
      text('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', '', '0', ''),
      text('HTTP/1.1 100 Continue', '', ''),
    ])
      assert.throws(
        () => read([cut], { closes: true }),
        (error) => error instanceof UpstreamError && error.code === 'connection_lost',
      );
  });
});

describe('a response that two readers could understand in two ways is refused', () => {
  const head = (...lines: string[]): Buffer => text('HTTP/1.1 200 OK', ...lines, '', '');
  const wrong: [string, Buffer, RegExp][] = [
    ['no status line', text('HTP/1.1 200 OK', '', ''), /status line/],
    ['HTTP/2', text('HTTP/2.0 200 OK', '', ''), /status line/],
    ['a status of two digits', text('HTTP/1.1 20 OK', '', ''), /status line/],
    ['a status of four digits', text('HTTP/1.1 2000 OK', '', ''), /status line/],
    ['two spaces before the status', text('HTTP/1.1  200 OK', '', ''), /status line/],
    ['a bare LF', Buffer.from('HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'), /line ending/],
    ['a bare CR', head('X: a\rContent-Length: 5'), /line ending/],
    ['a NUL', head('X: a\0b'), /character/],
    ['a folded line', head('X: a', ' b'), /line ending/],
    ['a line without a colon', head('Content-Length 5'), /colon/],
    ['a space before the colon', head('Content-Length : 5'), /token/],
    ['an empty name', head(': 5'), /token/],
    ['two lengths', head('Content-Length: 5', 'Content-Length: 5'), /more than one Content-Length/],
    ['a list of lengths', head('Content-Length: 5, 5'), /no number/],
    ['a signed length', head('Content-Length: +5'), /no number/],
    ['a length in hexadecimal', head('Content-Length: 0x5'), /no number/],
    ['a length beyond every number', head('Content-Length: 9999999999999999'), /no number/],
    ['a length behind a space that is none', head('Content-Length:\xa05'), /no number/],
    ['an empty length', head('Content-Length:'), /no number/],
    ['a length beside chunks', head('Content-Length: 5', 'Transfer-Encoding: chunked'), /beside/],
    ['two codings', head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'), /more than one Transfer/],
    ['another coding', head('Transfer-Encoding: gzip'), /not chunked/],
    ['another coding beneath the chunks', head('Transfer-Encoding: gzip, chunked'), /not chunked/],
    ['chunks in HTTP/1.0', text('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked', '', ''), /not chunked/],
    ['a head without end', Buffer.concat([text('HTTP/1.1 200 OK', 'X: '), Buffer.alloc(40_000, 97)]), /too long/],
    ['interim answers without end', Buffer.from('HTTP/1.1 102 Wait\r\n\r\n'.repeat(40)), /interim/],
  ];
  for (const [name, bytes, reason] of wrong)
    it(name, () => {
      assert.throws(() => read([bytes]), refused(reason));
      assert.throws(() => read(Array.from(bytes, (byte) => Buffer.of(byte))), refused(reason));
    });

  const chunks: [string, string, RegExp][] = [
    ['a chunk without its length', '\r\nabc\r\n0\r\n\r\n', /without its length/],
    ['a length with a sign', '+3\r\nabc\r\n0\r\n\r\n', /without its length/],
    ['a length with a prefix', '0x3\r\nabc\r\n0\r\n\r\n', /without its length/],
    ['a length with an underscore', '1_0\r\nabc\r\n0\r\n\r\n', /without its length/],
    ['a length beyond every number', `${'f'.repeat(17)}\r\n`, /without its length/],
    ['a chunk that is longer than it says', '3\r\nabcd\r\n0\r\n\r\n', /CRLF|longer|too long/],
    ['a bare LF behind the length', '3\nabc\r\n0\r\n\r\n', /CRLF/],
    ['a bare LF behind the chunk', '3\r\nabc\n0\r\n\r\n', /CRLF/],
    ['a CR within an extension', '3;a\rb\r\nabc\r\n0\r\n\r\n', /CRLF/],
    ['an extension that is neither a name nor a quoted value', '3;not"x"\r\nabc\r\n0\r\n\r\n', /without its length/],
    ['a quotation that does not end', '3;a="b\r\nabc\r\n0\r\n\r\n', /without its length/],
    ['a blank behind the length', '3 \r\nabc\r\n0\r\n\r\n', /without its length/],
    ['an extension without end', `3;${'a'.repeat(5000)}\r\n`, /too long/],
    ['trailers without end', `0\r\n${'A: b\r\n'.repeat(4000)}`, /too long/],
    ['a folded trailer', '0\r\nA: b\r\n c: d\r\n\r\n', /token/],
    ['a blank before the first trailer', '0\r\n\tA: b\r\n\r\n', /token/],
    ['a blank line that is not empty', '0\r\n \r\n\r\n', /colon/],
    ['a trailer without a colon', '0\r\nHTTP/1.1 200 OK\r\n\r\n', /colon/],
    ['a trailer with a NUL', '0\r\nA: \0\r\n\r\n', /character/],
    ['a length in a trailer', '0\r\nContent-Length: 5\r\n\r\n', /framing/],
    ['a coding in a trailer', '0\r\ntransfer-encoding: chunked\r\n\r\n', /framing/],
  ];
  for (const [name, body, reason] of chunks)
    it(name, () => {
      const bytes = Buffer.concat([head('Transfer-Encoding: chunked'), Buffer.from(body)]);
      assert.throws(() => read([bytes]), refused(reason));
      assert.throws(() => read(Array.from(bytes, (byte) => Buffer.of(byte))), refused(reason));
    });
});

/** What node:http makes of the same bytes; null when it refuses them. */
async function readByNode(wire: Buffer): Promise<{ status: number; lines: string[]; body: Buffer } | null> {
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  return new Promise((resolve) => {
    const call = request({ createConnection: () => socket, host: 'upstream' }, (response) => {
      const body: Buffer[] = [];
      response
        .on('data', (bytes: Buffer) => body.push(bytes))
        .on('end', () =>
          resolve({ status: response.statusCode ?? 0, lines: response.rawHeaders, body: Buffer.concat(body) }),
        )
        .on('error', () => resolve(null));
    });
    call.on('error', () => resolve(null)).end();
    socket.push(wire);
    socket.push(null);
  });
}

it('what is not refused means to node:http what it means here, whatever was done to its bytes', async () => {
  const changes = fc.array(
    fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      cut: fc.nat(2),
      put: fc.constantFrom('', '', ' ', '\t', '\r\n', '\n', '\r', ':', '0', '1', 'a', ',', ';', '\0', 'X: 1\r\n'),
    }),
    { maxLength: 2 },
  );
  let agreed = 0;
  await fc.assert(
    fc.asyncProperty(responses, changes, async ({ wire }, changed) => {
      const bytes = changed.reduce((before, { at, cut, put }) => {
        const place = Math.floor(at * before.length);
        return Buffer.concat([before.subarray(0, place), Buffer.from(put), before.subarray(place + cut)]);
      }, wire);
      let own: Whole;
      try {
        own = read([bytes], { closes: true });
      } catch (error) {
        assert.ok(error instanceof UpstreamError);
        return;
      }
      // What stands behind the end is no part of it: the connection is closed for it.
      const theirs = await readByNode(bytes.subarray(0, own.taken));
      assert.ok(theirs, 'refused by node:http');
      agreed += 1;
      assert.equal(own.head?.status, theirs.status);
      assert.deepEqual(own.head?.lines, theirs.lines);
      assert.deepEqual(own.body, theirs.body);
    }),
    { numRuns: 1000 },
  );
  assert.ok(agreed > 200, `only ${agreed} were compared`);
});
