import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { requestHead } from './request-head.ts';

const usual = { method: 'GET', target: '/a?b', host: 'up:1', lines: ['x-a', '1'], body: null, upgrade: null } as const;

describe('the head of a request to an upstream', () => {
  it('names the target, the host and every line, in order', () => {
    const { head } = requestHead({ ...usual, lines: ['x-a', '1', 'X-B', '\u00e9'] });
    assert.equal(head, 'GET /a?b HTTP/1.1\r\nhost: up:1\r\nconnection: keep-alive\r\nx-a: 1\r\nX-B: \u00e9\r\n');
  });

  for (const value of ['a\r\nx: b', 'a\nb', 'a\rb', 'a\0b', '\u0100', '\x7f'])
    it(`never holds ${JSON.stringify(value)}`, () => {
      assert.throws(() => requestHead({ ...usual, lines: ['x-a', value] }), TypeError);
    });

  it('frames every body in one way only', () => {
    const framing = (options: Partial<Parameters<typeof requestHead>[0]>): string[] =>
      requestHead({ ...usual, ...options }).head.match(/^(?:content-length|transfer-encoding): .*$/gim) ?? [];
    const said = ['Content-Length', '7'];
    const stream = new IncomingMessage(new Socket());
    assert.deepEqual(framing({}), []);
    assert.deepEqual(framing({ lines: said }), ['content-length: 0'], 'a length whose body is not there');
    assert.deepEqual(framing({ method: 'POST' }), ['content-length: 0']);
    assert.deepEqual(framing({ method: 'POST', body: Buffer.from('four'), lines: said }), ['content-length: 4']);
    assert.deepEqual(framing({ method: 'POST', body: stream, lines: said }), ['content-length: 7']);
    assert.deepEqual(framing({ method: 'POST', body: stream }), ['transfer-encoding: chunked']);
  });

  it('asks for an upgrade and for nothing else', () => {
    const { head } = requestHead({ ...usual, upgrade: 'websocket' });
    assert.match(head, /\r\nconnection: upgrade\r\nupgrade: websocket\r\n/);
  });
});
