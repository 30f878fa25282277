import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fingerprint, sha256, sha256Hex, sha256Stream } from './digest.ts';

test('is SHA-256, in one piece or in several', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (first, second) => {
      const whole = Buffer.concat([first, second]);
      const expected = createHash('sha256').update(whole).digest();
      assert.deepEqual(sha256(whole), expected);
      const running = sha256Stream();
      running.update(first);
      running.update(second);
      assert.deepEqual(running.digest(), expected);
    }),
  );
});

test('text is hashed as UTF-8', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.equal(sha256Hex(text), createHash('sha256').update(text, 'utf8').digest('hex'));
    }),
  );
});

test('a fingerprint is the beginning of the digest', () => {
  assert.equal(fingerprint('secret'), sha256Hex('secret').slice(0, 8));
});
