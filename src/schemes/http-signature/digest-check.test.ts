import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { sha256, sha512 } from '../../crypto/digest.ts';
import { digestCheck } from './digest-check.ts';

const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
const algorithms = fc.constantFrom('sha-256', 'sha-512');

function digestOf(algorithm: 'sha-256' | 'sha-512', body: Uint8Array) {
  return { algorithm, bytes: algorithm === 'sha-256' ? sha256(body) : sha512(body) };
}

test('a body that is hashed as it arrives is judged as one that is hashed whole', () => {
  fc.assert(
    fc.property(algorithms, pieces, fc.uint8Array({ minLength: 1 }), (algorithm, parts, more) => {
      const body = Buffer.concat(parts);
      for (const [digest, right] of [
        [digestOf(algorithm, body), true],
        [digestOf(algorithm, Buffer.concat([body, more])), false],
      ] as const) {
        const check = digestCheck(digest);
        for (const part of parts) check.onPiece(part);
        assert.equal(check.matches(body), right);
      }
    }),
  );
});

test('of a body that did not pass by whole, all of it is hashed', () => {
  const body = Buffer.from('hello, you');
  for (const seen of [[], ['hello'], ['hel', 'lo']]) {
    const check = digestCheck(digestOf('sha-256', body));
    for (const part of seen) check.onPiece(Buffer.from(part));
    assert.equal(check.matches(body), true, seen.join('|'));
    assert.equal(check.matches(Buffer.from('hello, me!')), false, seen.join('|'));
  }
});
