import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lifeFault } from './credential.ts';

test('a key lives until its end, and revoked is said before expired', () => {
  const entry = (expiresAt: number | null, revoked = false) => ({ expiresAt, revoked });
  assert.equal(lifeFault(entry(null), 10), null);
  assert.equal(lifeFault(entry(11), 10), null);
  assert.equal(lifeFault(entry(10), 10), 'expired');
  assert.equal(lifeFault(entry(9, true), 10), 'revoked');
});

test('an end that is no number has come, whoever wrote it', () => {
  for (const written of ['2099-01-01T00:00:00Z', 'never', '', undefined, Number.NaN, {}])
    assert.equal(
      lifeFault({ expiresAt: written as unknown as number, revoked: false }, 10),
      'expired',
      String(written),
    );
});
