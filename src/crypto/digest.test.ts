import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { fingerprint, sha256, sha256Hex } from './digest.ts';

test('is SHA-256', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      assert.deepEqual(sha256(bytes), createHash('sha256').update(bytes).digest());
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
