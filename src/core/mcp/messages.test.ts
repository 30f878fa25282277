import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { forgetMcpMessages, readMcpMessages } from './messages.ts';

const read = (text: string | Buffer) => readMcpMessages(Buffer.from(text as string));

function noteOf(text: string | Buffer): string {
  const found = read(text);
  assert.equal(found.ok, false, String(text));
  return found.ok ? '' : found.note;
}

test('one message and a batch are read, and passed on in one spelling', () => {
  const one = read(
    ' { "jsonrpc" : "2.0",\n"id": 1.50e0, "method":"tools\\/call","params":{"n\\u0061me":"a", "arguments":{"b":[1 , {}]}} } ',
  );
  assert.ok(one.ok);
  assert.equal(
    String(one.rewritten),
    '{"jsonrpc":"2.0","id":1.50e0,"method":"tools/call","params":{"name":"a","arguments":{"b":[1,{}]}}}',
  );
  const batch = read('[{"method":"a"},{"id":1,"result":{}}]');
  assert.ok(batch.ok);
  assert.equal(batch.messages.length, 2);
});

test('what is in the one spelling already is passed on itself, and kept for nobody when it has been', () => {
  const body = Buffer.from(
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"é\u2028/\u007f","arguments":{}}}',
  );
  const found = readMcpMessages(body);
  assert.ok(found.ok && found.rewritten === null);
  assert.equal(readMcpMessages(body), found, 'who judges and who passes it on read it once');
  forgetMcpMessages(body);
  assert.notEqual(readMcpMessages(body), found);
});

test('numbers go on as they were, however many digits they have', () => {
  const found = read('{"method":"a","params":{"n":123456789012345678901234567890.10}}');
  assert.ok(found.ok && found.rewritten === null);
});

test('what two readers could understand in two ways is refused', () => {
  const twice: [string, RegExp][] = [
    ['{"method":"a","method":"b"}', /"method" stands twice/],
    ['{"method":"a","m\\u0065thod":"b"}', /"method" stands twice/],
    ['{"method":"a","params":{"x":{"k":1,"k":2}}}', /"k" stands twice/],
    ['{"method":"a","params":{"name":"a","x":[{"k":1,"j":{},"k":2}]}}', /"k" stands twice/],
    ['{"Method":"tools/call","method":"ping"}', /"Method" is nearly/],
    ['{"METHOD":"tools/call"}', /nearly/],
    ['{"method":"tools/call","params":{"Name":"x","name":"y"}}', /"Name" is nearly/],
    ['{"method":"tools/call","Params":{"name":"x"}}', /"Params" is nearly/],
    ['{"method":"tools/call","param\\u017f":{"name":"x"}}', /nearly/],
    [
      '{"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"x","Name":"y"}}}',
      /"Name" is nearly/,
    ],
    [
      '{"method":"completion/complete","params":{"ref":{"type":"ref/prompt","TYPE":"ref/resource"}}}',
      /"TYPE" is nearly/,
    ],
    [
      '{"method":"subscriptions/listen","params":{"notifications":{"ResourceSubscriptions":["file:///a"]}}}',
      /"ResourceSubscriptions" is nearly/,
    ],
    ['\ufeff{"method":"a"}', /no JSON/],
    ["{'method':'a'}", /no JSON/],
    ['{"method":"a",}', /no JSON/],
    ['{"method":"a"}{"method":"b"}', /no JSON/],
    ['{"method":"a"} // b', /no JSON/],
    ['{"method":NaN}', /no JSON/],
    ['', /no JSON/],
    ['[]', /empty/],
    ['[[{"method":"a"}]]', /no object/],
    ['"tools/call"', /no object/],
    ['null', /no object/],
    ['{"method":1}', /no string/],
    ['{"method":["tools/call"]}', /no string/],
    ['{"id":1}', /without a method/],
    [`{"method":"a","params":{"x":${'['.repeat(200)}${']'.repeat(200)}}}`, /deeper/],
    [`[${'{"method":"a"},'.repeat(100)}{"method":"a"}]`, /more than 100/],
  ];
  for (const [text, pattern] of twice) assert.match(noteOf(text), pattern, text);
  assert.match(noteOf(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), /UTF-8/);
  assert.match(noteOf(Buffer.from('{"method":"a"}', 'utf16le')), /no JSON/);
});

test('a tool may give its own arguments whatever names it likes', () => {
  assert.ok(read('{"method":"tools/call","params":{"name":"a","arguments":{"Name":1,"name":2,"METHOD":3}}}').ok);
});

test('a name of a million marks is no name that is known, and takes nobody’s time', () => {
  const name = '\u0301\u0323'.repeat(500_000);
  assert.ok(read(JSON.stringify({ method: 'a', params: { [name]: 1 }, [name]: 2 })).ok);
});

test('a text of millions of characters is a text like any other', () => {
  for (const unit of ['a', 'é', '\\\\', '\\"']) {
    const body = `{"method":"tools/call","params":{"name":"a","arguments":{"x":"${unit.repeat(9_000_000 / unit.length)}"}}}`;
    const found = read(body);
    assert.ok(found.ok && found.rewritten === null, unit);
  }
});

test('of values there is a limit, of text between quotes there is none', () => {
  const message = (values: string) => `{"method":"a","params":[${values}]}`;
  const outside = 5;
  const within = message(`${'1,'.repeat(100_000 - outside)}1`);
  assert.ok(read(within).ok);
  for (const more of ['1,', '{"":0},', '[],', '"\\"",', ' 1 ,\n'])
    assert.match(noteOf(message(`${more.repeat(150_000)}1`)), /more than 100000 values/, more);
  const quoted = message(JSON.stringify('a,[{:"\\'.repeat(200_000)));
  const found = read(quoted);
  assert.ok(found.ok && found.rewritten === null);
});

test('the same bytes are read once', () => {
  const body = Buffer.from('{"method":"a"}');
  assert.equal(readMcpMessages(body), readMcpMessages(body));
});

test('every JSON value keeps its meaning, however it was spaced', () => {
  const spaces = fc.constantFrom('', ' ', '\n', '\t\r\n ');
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), spaces, (value, space) => {
      const message = { jsonrpc: '2.0', method: 'tools/call', params: { name: 'a', arguments: { value } } };
      const sent = JSON.stringify(message, null, space.replace(/[\r\n]/g, ' '));
      const found = read(sent);
      assert.ok(found.ok);
      assert.equal(String(found.rewritten ?? sent), JSON.stringify(message));
      assert.deepEqual(found.messages, [JSON.parse(JSON.stringify(message))]);
    }),
  );
});
