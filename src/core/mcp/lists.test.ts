import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { listFilter } from './lists.ts';
import type { McpRules } from './rules.ts';

const rules: McpRules = {
  tools: [{ callers: null, allow: ['search'], deny: [], scopes: [] }],
  resources: null,
  prompts: null,
};
const principal = {
  id: 'service:aidb',
  scheme: 'api-key',
  credentialId: 'k',
  scopes: [],
  expiresAt: null,
  addresses: null,
};

/** How a line ends is nothing that a reader sees. */
const readable = (text: string): string => text.replace(/\r\n|\r/g, '\n');

function filtered(pieces: readonly Buffer[], type = 'text/event-stream'): string {
  const filter = listFilter(type, '', { principal, rules });
  assert.ok(filter);
  return readable(Buffer.concat([...pieces.map((piece) => filter.push(piece)), filter.end()]).toString());
}

const listing = '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search"},{"name":"wipe"}],"é":"…"}}';
const shortened = '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"search"}],"é":"…"}}';

test('a stream is the same however it was cut, and its lists are shortened in each', () => {
  const ends = fc.constantFrom('\n', '\r\n', '\r');
  const event = fc.record({ end: ends, lists: fc.boolean(), id: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat(600), { maxLength: 8 }),
      (events, cuts) => {
        const text = events
          .map(
            ({ end, lists, id }) => `${id ? `id: 7${end}` : ''}data: ${lists ? listing : '{"method":"a"}'}${end}${end}`,
          )
          .join('');
        const bytes = Buffer.from(text);
        const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        const whole = filtered([bytes]);
        assert.equal(filtered(pieces), whole);
        assert.equal(filtered(Array.from(bytes, (byte) => Buffer.of(byte))), whole);
        assert.equal(whole.split(shortened).length - 1, events.filter(({ lists }) => lists).length);
        assert.ok(!whole.includes('wipe'));
      },
    ),
  );
});

test('a byte order mark hides no event', () => {
  assert.equal(filtered([Buffer.from(`\ufeffdata: ${listing}\n\n`)]), `data: ${shortened}\n\n`);
});

test('an event that is not ended is told to nobody', () => {
  assert.equal(filtered([Buffer.from(`data: a\n\ndata: ${listing}\n`)]), 'data: a\n\n');
});

test('an event of more than 16 MiB is not looked into: the request that it answers fails, and the next event is read', () => {
  const text = 'a'.repeat(17 * 1024 * 1024);
  const next = `data: ${listing}\n\n`;
  const told: string[] = [];
  const passed = (event: string, pieceLength: number): string => {
    const filter = listFilter('text/event-stream', '', { principal, rules, onUnread: (what) => told.push(what) });
    assert.ok(filter);
    const bytes = Buffer.from(event + next);
    const out: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += pieceLength) out.push(filter.push(bytes.subarray(at, at + pieceLength)));
    return readable(Buffer.concat(out).toString());
  };
  const failed = (id: string) =>
    `event: message\nid: 7\ndata: {"jsonrpc":"2.0","id":${id},"error":{"code":-32603,"message":"The answer has an event too large to be looked into"}}\n\ndata: ${shortened}\n\n`;
  for (const pieceLength of [65_536, 100_003, 1_000_000]) {
    // As the SDKs for TypeScript and for Python write it.
    const last = `event: message\nid: 7\ndata: {"result":{"text":"${text},\\"id\\":8}"},"jsonrpc":"2.0","id":5}\n\n`;
    assert.equal(passed(last, pieceLength), failed('5'));
    const first = `event: message\r\nid: 7\r\ndata: {"jsonrpc":"2.0","id":"x-1","result":{"text":"${text}","id":9}}\r\n\r\n`;
    assert.equal(passed(first, pieceLength), failed('"x-1"'));
  }
  assert.equal(told.length, 6);
});

test('what does not say which request it answers ends the stream, and so it is with a document', () => {
  const mebibyte = Buffer.alloc(1024 * 1024, 'a');
  const many = [Buffer.from('data: '), ...Array.from({ length: 17 }, () => mebibyte)];
  assert.throws(() => filtered([...many, Buffer.from('\n\n')]), { code: 'unreadable_answer' });
  assert.throws(() => filtered(many, 'application/json'), { code: 'unreadable_answer' });
});

test('an answer of more than a million values is not looked into: reading it would hold up everybody', () => {
  const answer = (count: number): Buffer =>
    Buffer.from(`{"jsonrpc":"2.0","id":1,"result":{"tools":[],"numbers":[${'0,'.repeat(count)}0]}}`);
  const document = (body: Buffer): string => filtered([body], 'application/json');
  const event = (body: Buffer): string => filtered([Buffer.from('data: '), body, Buffer.from('\n\n')]);
  for (const read of [document, event]) assert.ok(read(answer(500_000)).includes('numbers'));
  assert.throws(() => document(answer(1_000_000)), { code: 'unreadable_answer', message: /values/ });
  assert.match(event(answer(1_000_000)), /^data: \{"jsonrpc":"2.0","id":1,"error":\{.*values/);
});
