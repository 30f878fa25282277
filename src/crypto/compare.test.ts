import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { equalBytes, equalSecrets, equalText } from './compare.ts';

const text = fc.string({ unit: 'binary' });

test('equal is equal and different is different, for texts, secrets and bytes of any length', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(equalText(a, a), true);
      assert.equal(equalText(a, b), a === b);
      assert.equal(equalBytes(Buffer.from(a), Buffer.from(a)), true);
      assert.equal(equalBytes(Buffer.from(a), Buffer.from(b)), Buffer.from(a).equals(Buffer.from(b)));
    }),
  );
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) => equalSecrets(a, a) && equalSecrets(a, b) === (a === b)));
});

test('one changed character anywhere in a digest is seen', () => {
  const digest = '0123456789abcdef'.repeat(4);
  for (let place = 0; place < digest.length; place += 1)
    for (const other of ['x', '\u0161', '\u20ac', '\ud83d', '\0'])
      assert.equal(equalText(digest, `${digest.slice(0, place)}${other}${digest.slice(place + 1)}`), false);
});

test('texts as long as a digest are compared by characters where they are not ASCII', () => {
  const unit = fc.constantFrom('a', 'b', '\u00e1', '\u0161', '\u20ac', '\ud83d', '\udc00', '\ufffd');
  const long = fc.array(unit, { minLength: 64, maxLength: 64 }).map((units) => units.join(''));
  fc.assert(
    fc.property(long, long, (a, b) => {
      assert.equal(equalText(a, a), true);
      assert.equal(equalText(a, b), a === b);
    }),
  );
  const digest = '0123456789abcdef'.repeat(4);
  // The last byte is not left over from the comparison before.
  assert.equal(equalText(digest, digest), true);
  assert.equal(equalText(digest, `${digest.slice(0, 63)}\u0161`), false);
  assert.equal(equalText('\ud83d'.repeat(64), '\udc00'.repeat(64)), false);
});
