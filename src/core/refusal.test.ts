import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publicWords, refusalOf } from './refusal.ts';
import { deny, REASONS, type Reason } from './verdict.ts';

const reasons = Object.keys(REASONS) as Reason[];
const proven = { caller: { id: 'service:aidb', proven: true } };

function authenticated(reason: Reason, known: boolean): boolean {
  return JSON.parse(refusalOf(deny(reason, 'n', known ? proven : {}), []).body).authenticated;
}

function after(retryAfter: number | null): string | undefined {
  return refusalOf(deny('rate_limited', 'n', { retryAfter }), []).headers['retry-after'];
}

/** What callers rely on: the status of every reason. */
const statuses: Partial<Record<Reason, number>> = {
  missing_credentials: 401,
  malformed_credentials: 401,
  invalid_credentials: 401,
  expired: 401,
  revoked: 401,
  invalid_signature: 401,
  timestamp_outside_window: 401,
  unknown_service: 401,
  replayed: 401,
  not_allowed: 403,
  insufficient_scope: 403,
  address_not_allowed: 403,
  tool_not_allowed: 403,
  rate_limited: 429,
  unavailable: 503,
  bad_request: 400,
  header_mismatch: 400,
  no_such_service: 404,
  too_large: 413,
  upstream_unreachable: 502,
  upstream_timeout: 504,
};

test('every reason has the status of the contract', () => {
  for (const [reason, status] of Object.entries(statuses))
    assert.equal(refusalOf(deny(reason as Reason, 'n'), []).status, status, reason);
});

test('every refusal is the same JSON: words, reason, and whether the caller is known', () => {
  for (const reason of reasons.filter((each) => each !== 'header_mismatch')) {
    const refusal = refusalOf(deny(reason, 'a note', proven), []);
    const body = JSON.parse(refusal.body);
    assert.deepEqual(Object.keys(body), ['error', 'reason', 'authenticated'], reason);
    assert.equal(body.reason, reason);
    assert.equal(typeof body.error, 'string');
    assert.equal(refusal.headers['content-type'], 'application/json');
    assert.equal(refusal.headers['content-length'], String(Buffer.byteLength(refusal.body)));
    assert.equal(refusal.headers['cache-control'], 'no-store');
  }
});

test('headers that contradict a message are refused in the words of its protocol', () => {
  const { status, headers, body } = refusalOf(deny('header_mismatch', 'a note', { ...proven, messageId: 7 }), []);
  assert.deepEqual([status, headers['content-type']], [400, 'application/json']);
  const data = { reason: 'header_mismatch', authenticated: true };
  assert.deepEqual(JSON.parse(body), {
    jsonrpc: '2.0',
    id: 7,
    error: { code: -32020, message: 'Header mismatch', data },
  });
});

test('nothing meant for the operator reaches the caller', () => {
  for (const reason of reasons) {
    const denied = deny(reason, 'note-s3cret', {
      ...proven,
      credentialId: 'id-s3cret',
      scheme: 'scheme-s3cret',
      skewSeconds: 12345,
    });
    assert.ok(!/s3cret|aidb|12345/.test(JSON.stringify(refusalOf(denied, []))), reason);
  }
});

test('authenticated says whether the caller is known but not allowed', () => {
  for (const reason of reasons) {
    if (REASONS[reason].status === 401) assert.equal(authenticated(reason, true), false, reason);
  }
  assert.equal(authenticated('not_allowed', true), true);
  assert.equal(authenticated('insufficient_scope', true), true);
  assert.equal(authenticated('rate_limited', true), true);
  assert.equal(authenticated('rate_limited', false), false);
  assert.equal(authenticated('unavailable', false), false);
  const claimed = deny('rate_limited', 'n', { caller: { id: 'service:aidb', proven: false } });
  assert.equal(JSON.parse(refusalOf(claimed, []).body).authenticated, false);
});

test('the words depend on how the credential was presented, the reason does not', () => {
  for (const reason of ['invalid_credentials', 'expired', 'revoked'] as const) {
    const words = (presentedAs: 'bearer' | 'x-api-key' | 'admin-token' | null) =>
      publicWords(deny(reason, 'n', { presentedAs }));
    assert.equal(words(null), 'Invalid or expired token');
    assert.equal(words('bearer'), 'Invalid or expired token');
    assert.equal(words('x-api-key'), 'Invalid API key');
    assert.equal(words('admin-token'), 'Invalid admin token');
  }
  assert.equal(
    publicWords(deny('missing_credentials', 'n', { presentedAs: 'x-api-key' })),
    'Missing Authorization header',
  );
});

test('challenges go out with 401 and 403 only', () => {
  for (const reason of reasons) {
    const challenge = refusalOf(deny(reason, 'n'), ['Bearer', 'Countersign']).headers['www-authenticate'];
    const expected = [401, 403].includes(REASONS[reason].status) ? 'Bearer, Countersign' : undefined;
    assert.equal(challenge, expected, reason);
  }
  assert.equal(refusalOf(deny('expired', 'n'), []).headers['www-authenticate'], undefined);
});

test('retry-after is whole seconds, at least one, and only where there is one', () => {
  assert.equal(after(null), undefined);
  assert.equal(after(0), '1');
  assert.equal(after(0.2), '1');
  assert.equal(after(12.1), '13');
});
