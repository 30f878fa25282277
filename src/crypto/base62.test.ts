import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { base62, base62Value, toBase62 } from './base62.ts';
import { randomBase62 } from './random.ts';

test('base62 is big-endian, padded with zeros and can be read back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), (value) => {
      const text = toBase62(value, 43);
      assert.match(text, /^[0-9A-Za-z]{43}$/);
      const back = [...text].reduce((sum, character) => sum * 62n + BigInt(base62Value(character.charCodeAt(0))), 0n);
      assert.equal(back, value);
    }),
  );
  assert.equal(toBase62(0n, 6), '000000');
  assert.equal(toBase62(61n, 3), '00z');
  assert.equal(toBase62(62n, 2), '10');
});

test('base62 refuses a value that does not fit', () => {
  assert.throws(() => toBase62(62n, 1), RangeError);
});

test('base62 knows its own characters and no others', () => {
  for (let code = 0; code < 0x300; code += 1)
    assert.equal(base62Value(code), base62.indexOf(String.fromCharCode(code)));
});

test('random base62 has the length asked for and every character', () => {
  const seen = new Set<string>();
  for (let round = 0; round < 200; round += 1) {
    const text = randomBase62(40);
    assert.match(text, /^[0-9A-Za-z]{40}$/);
    for (const character of text) seen.add(character);
  }
  assert.equal(seen.size, 62);
});
