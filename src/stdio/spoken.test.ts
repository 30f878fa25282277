import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { lines } from './lines.ts';
import { spoken } from './spoken.ts';

test('lines are the same however they are cut, and one that is too long is told of once', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 40 })), fc.array(fc.nat(400), { maxLength: 8 }), (texts, cuts) => {
      const plain = texts.map((text) => text.replaceAll('\n', ' '));
      const bytes = Buffer.from(plain.map((text) => `${text}\n`).join(''));
      const found: string[] = [];
      const read = lines(
        60,
        (line) => found.push(line.toString()),
        (beginning) => found.push(`long ${beginning.toString().slice(0, 5)}`),
      );
      const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
      for (const [index, end] of places.slice(1).entries()) read(bytes.subarray(places[index], end));
      const expected = plain.map((text) => (Buffer.byteLength(text) > 60 ? `long ${text.slice(0, 5)}` : text));
      assert.equal(found.length, expected.length);
      for (const [index, line] of found.entries()) if (!line.startsWith('long')) assert.equal(line, expected[index]);
    }),
  );
});

test('no secret is shown, be it cut in two, of several lines, in a URL or of our own kind', () => {
  const said: string[] = [];
  const read = spoken('x', ['correct horse battery', 'first line\nsecond line'], (text) => said.push(text));
  read(Buffer.from(`${'a'.repeat(990)}correct `));
  read(Buffer.from('horse battery and more\nsecond line\n'));
  read(Buffer.from('http://me:hunter2@host/ Bearer abc.def cs_sk_0123456789_abc\n'));
  const all = said.join('\n');
  for (const secret of ['correct', 'horse', 'battery', 'second line', 'hunter2', 'abc.def', 'cs_sk_0123456789'])
    assert.ok(!all.includes(secret), `${secret} in ${all}`);
});

test('a flood of lines is bounded, and its size is told', () => {
  const said: string[] = [];
  const read = spoken('x', [], (text) => said.push(text));
  read(Buffer.from('line\n'.repeat(10_000)));
  assert.ok(said.length <= 61, String(said.length));
});
