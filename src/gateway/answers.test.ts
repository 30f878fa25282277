import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { door, testUpstream, type Door, type TestUpstream } from '../../test/fixtures/gateway-door.ts';
import { responseKind } from './headers/response-names.ts';

describe('an answer that is held for a moment', () => {
  let upstream: TestUpstream;
  let gate: Door;

  /** Every value that a byte can have, so often that the body has this length. */
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, index) => index % 256));

  before(async () => {
    upstream = await testUpstream((req, res) => {
      const body = bytes(Number((req.url ?? '').slice(1)));
      if (req.headers['x-chunked'] === undefined) res.setHeader('Content-Length', body.length);
      // A head that goes out alone leaves node:http no choice but chunks.
      else res.flushHeaders();
      res.end(body);
    });
    gate = await door({ services: [{ name: 'echo', upstream: upstream.url }] });
  });
  after(async () => {
    await gate.close();
    await upstream.close();
  });

  for (const length of [0, 1, 256, 16_384, 16_385, 70_000])
    for (const framing of ['with its length', 'in chunks'])
      it(`arrives byte for byte, ${length} bytes ${framing}`, async () => {
        const response = await fetch(`http://127.0.0.1:${gate.port}/echo/${length}`, {
          headers: { authorization: 'Bearer good', ...(framing === 'in chunks' && { 'x-chunked': '1' }) },
        });
        assert.equal(response.headers.get('content-length'), framing === 'in chunks' ? null : String(length));
        assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes(length));
      });
});

describe('the time until an answer begins', () => {
  let upstream: TestUpstream;
  let gate: Door;

  before(async () => {
    upstream = await testUpstream((req, res) => {
      if (req.url === '/never') return;
      req.resume().once('end', () => setTimeout(() => res.end('done'), 40));
    });
    const timeouts = { connectSeconds: 5, responseSeconds: 1 };
    gate = await door({ services: [{ name: 'echo', upstream: upstream.url, timeouts }] });
  });
  after(async () => {
    await gate.close();
    await upstream.close();
  });

  async function timed(path: string, options: RequestInit = {}): Promise<readonly [string, number][]> {
    gate.answers.length = 0;
    const headers = { authorization: 'Bearer good', ...options.headers };
    await (await fetch(`http://127.0.0.1:${gate.port}/echo${path}`, { ...options, headers })).arrayBuffer();
    return gate.answers;
  }

  it('is told of each service, from the end of the request to the head of the answer', async () => {
    const [[service, micros] = assert.fail()] = await timed('/');
    assert.equal(service, 'echo');
    assert.ok(micros >= 39_000, `${micros}`);
  });

  it('does not count how long the client took to send its body', async () => {
    async function* slowly(): AsyncIterable<Uint8Array> {
      yield Buffer.from('one');
      await new Promise((resolve) => setTimeout(resolve, 900));
      yield Buffer.from('two');
    }
    const upload = { method: 'POST', body: slowly(), duplex: 'half' } as unknown as RequestInit;
    const [[, micros] = assert.fail()] = await timed('/', upload);
    assert.ok(micros >= 39_000 && micros < 900_000, `${micros}`);
  });

  it('is not told of strangers, whom report mode lets pass', async () => {
    gate.mode = 'report';
    assert.deepEqual(await timed('/', { headers: { authorization: 'Bearer wrong' } }), []);
    gate.mode = 'enforce';
  });

  it('is told of an answer that did not come in time', async () => {
    const [[, micros] = assert.fail()] = await timed('/never');
    assert.ok(micros >= 1_000_000, `${micros}`);
  });
});

describe('the name of a response header', () => {
  for (const [text, kind] of [
    ['Keep-Alive', 'hop'],
    ['kEEP-aLIVE', 'hop'],
    ['Upgrade', 'hop'],
    ['Connection', 'connection'],
    ['cONNECTION', 'connection'],
    ['TRANSFER-ENCODING', 'hop'],
    ['set-Cookie', 'set-cookie'],
    ['Cache-Control', 'pass'],
  ] as const)
    it(`is understood however it is spelled: ${text}`, () => {
      assert.equal(responseKind(text), kind);
    });
});
