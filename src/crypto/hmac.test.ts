import assert from 'node:assert/strict';
import { createHmac, createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { hmacSha256 } from './hmac.ts';

// An empty key cannot be made into a KeyObject, but createHmac takes it as text.
function reference(secret: Uint8Array, message: Uint8Array): string {
  return createHmac('sha256', secret.length === 0 ? '' : createSecretKey(secret))
    .update(message)
    .digest('hex');
}

test('is HMAC-SHA-256 for keys and messages of every length', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200, size: 'max' }),
      fc.uint8Array({ maxLength: 2000, size: 'max' }),
      (secret, message) => {
        const key = hmacSha256(secret);
        const expected = reference(secret, message);
        assert.equal(key.bytes(message).toString('hex'), expected);
        const text = Buffer.from(message).toString('latin1');
        assert.equal(key.hex(text), expected);
        assert.equal(key.base64(text), Buffer.from(expected, 'hex').toString('base64'));
        assert.equal(
          key.hexOf(message, message.length, (from, bytes, at) => bytes.set(from, at)),
          expected,
        );
      },
    ),
  );
});

test('lengths at every border: the block of the key, the prepared room of the message', () => {
  for (const secretLength of [1, 31, 32, 33, 63, 64, 65, 128]) {
    const secret = Buffer.alloc(secretLength, 0xa7);
    const key = hmacSha256(secret);
    for (const length of [0, 1, 55, 56, 64, 511, 512, 513, 1024, 70_000, 512, 0]) {
      const message = 'm'.repeat(length);
      assert.equal(key.hex(message), reference(secret, Buffer.from(message)));
    }
  }
});

test('one key serves many messages, and two keys do not disturb each other', () => {
  const first = hmacSha256(Buffer.from('first'));
  const second = hmacSha256(Buffer.from('second'));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.string({ unit: 'grapheme-ascii', maxLength: 600 }))), (calls) => {
      for (const [useFirst, message] of calls) {
        const expected = reference(Buffer.from(useFirst ? 'first' : 'second'), Buffer.from(message));
        assert.equal((useFirst ? first : second).hex(message), expected);
      }
    }),
  );
});

test('RFC 4231, test cases 1, 2 and 6', () => {
  assert.equal(
    hmacSha256(Buffer.alloc(20, 0x0b)).hex('Hi There'),
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  );
  assert.equal(
    hmacSha256(Buffer.from('Jefe')).hex('what do ya want for nothing?'),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
  assert.equal(
    hmacSha256(Buffer.alloc(131, 0xaa)).hex('Test Using Larger Than Block-Size Key - Hash Key First'),
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  );
});

test('changing the secret afterwards changes nothing: it is not kept', () => {
  const secret = Buffer.from('a secret');
  const key = hmacSha256(secret);
  const before = key.hex('message');
  secret.fill(0);
  assert.equal(key.hex('message'), before);
});
