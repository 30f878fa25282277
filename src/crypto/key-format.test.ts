import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 as zlibCrc32 } from 'node:zlib';
import * as fc from '../../test/fixtures/properties.ts';
import { base62, toBase62 } from './base62.ts';
import { crc32 } from './crc32.ts';
import { idOf, lastFour, mintedKind, mintKey, wellFormed } from './key-format.ts';

const kinds = ['sk', 'hs', 'st', 'ad'] as const;
const base62Text = (length: number) =>
  fc
    .array(fc.constantFrom(...base62), { minLength: length, maxLength: length })
    .map((characters) => characters.join(''));
const keys = fc
  .tuple(fc.constantFrom(...kinds), base62Text(10), base62Text(43))
  .map(([kind, id, secret]) => `cs_${kind}_${id}_${secret}`)
  .map((body) => body + toBase62(BigInt(zlibCrc32(body)), 6));

test('the check is the CRC-32 that everybody has', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => crc32(text) === zlibCrc32(text)));
  assert.equal(crc32('123456789'), 0xcbf43926);
});

test('what is minted is well formed, found by secret scanners, and says its kind and id', () => {
  for (const kind of kinds) {
    const { key, id } = mintKey(kind);
    assert.match(key, /\bcs_(?:sk|hs|st|ad)_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}\b/);
    assert.equal(wellFormed(key), true);
    assert.equal(mintedKind(key), kind);
    assert.equal(idOf(key), id);
    assert.equal(lastFour(key), key.slice(-4));
  }
});

test('keys made elsewhere by the same rule are well formed, with leading zeros too', () => {
  fc.assert(fc.property(keys, wellFormed));
  const zeros = `cs_sk_0000000000_${'0'.repeat(43)}`;
  assert.equal(wellFormed(zeros + toBase62(BigInt(zlibCrc32(zeros)), 6)), true);
});

test('any single changed character is refused', () => {
  fc.assert(
    fc.property(
      keys,
      fc.nat(68),
      fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
      (key, place, character) => {
        if (key[place] === character) return;
        assert.equal(wellFormed(key.slice(0, place) + character + key.slice(place + 1)), false);
      },
    ),
    { numRuns: 1000 },
  );
});

test('two neighbours exchanged, a key cut off and one with something behind it are refused', () => {
  fc.assert(
    fc.property(keys, fc.nat(64), (key, place) => {
      const a = key.charAt(place);
      const b = key.charAt(place + 1);
      if (a !== b) assert.equal(wellFormed(key.slice(0, place) + b + a + key.slice(place + 2)), false);
      assert.equal(wellFormed(key.slice(0, -1)), false);
      assert.equal(wellFormed(`${key}0`), false);
      assert.equal(wellFormed(` ${key}`), false);
      assert.equal(wellFormed(`${key}\n`), false);
    }),
  );
});

test('a character beyond ASCII does not pass for the one with the same low byte', () => {
  const { key } = mintKey('sk');
  const place = 20;
  const wide = String.fromCharCode(key.charCodeAt(place) + 0x100);
  assert.equal(wellFormed(key.slice(0, place) + wide + key.slice(place + 1)), false);
});

test('any text is judged without throwing, and only our prefixes have a kind', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.equal(wellFormed(text), false);
      const kind = mintedKind(text);
      assert.equal(kind !== null, /^cs_(?:sk|hs|st|ad)_/.test(text));
    }),
  );
  assert.equal(mintedKind('cs_sk_'), 'sk');
  assert.equal(mintedKind('cs_zz_x'), null);
  assert.equal(mintedKind('cs_sk'), null);
  assert.equal(mintedKind('CS_sk_x'), null);
});
