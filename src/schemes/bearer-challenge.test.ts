import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deny } from '../core/verdict.ts';
import { bearerChallenge, quotedString } from './bearer-challenge.ts';

test('names no error where no credential was presented (RFC 6750 §3.1)', () => {
  assert.equal(bearerChallenge(deny('missing_credentials', '')), 'Bearer realm="countersign"');
});

test('a Bearer or key that was presented in vain is an invalid_token', () => {
  for (const reason of ['malformed_credentials', 'invalid_credentials', 'expired', 'revoked'] as const)
    assert.equal(bearerChallenge(deny(reason, '')), 'Bearer realm="countersign", error="invalid_token"');
});

test('a broken signature is no fault of a Bearer', () => {
  for (const reason of ['invalid_signature', 'replayed', 'unknown_service', 'timestamp_outside_window'] as const)
    assert.equal(bearerChallenge(deny(reason, '')), 'Bearer realm="countersign"');
  assert.equal(bearerChallenge(deny('revoked', '', { presentedAs: 'signature' })), 'Bearer realm="countersign"');
});

test('insufficient scope names what would be enough, and nothing that could break out of the quotes', () => {
  const denied = deny('insufficient_scope', '', { requiredScopes: ['embed:write', 'a b', 'x"y', 'embed:read'] });
  assert.equal(
    bearerChallenge(denied),
    'Bearer realm="countersign", error="insufficient_scope", scope="embed:write embed:read"',
  );
  assert.equal(bearerChallenge(deny('not_allowed', '')), 'Bearer realm="countersign"');
});

test('a quoted string escapes quotes and backslashes and refuses line breaks', () => {
  assert.equal(quotedString('a"b\\c'), '"a\\"b\\\\c"');
  assert.throws(() => quotedString('a\r\nset-cookie: b'), TypeError);
});
