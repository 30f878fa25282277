import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBase32, totpCode, totpStep } from './totp.ts';

const secret = Buffer.from('12345678901234567890');

test('codes are those of RFC 6238, appendix B', () => {
  for (const [time, code] of [
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_111_111_111, '050471'],
    [1_234_567_890, '005924'],
    [2_000_000_000, '279037'],
    [20_000_000_000, '353130'],
  ] as const)
    assert.equal(totpCode(secret, Math.floor(time / 30)), code);
});

test('a code counts one step before and after its own, and no further', () => {
  const step = 1000;
  const code = totpCode(secret, step);
  for (const [now, found] of [
    [(step - 2) * 30 + 29, null],
    [(step - 1) * 30, step],
    [step * 30, step],
    [(step + 2) * 30 - 1, step],
    [(step + 2) * 30, null],
  ] as const)
    assert.equal(totpStep(secret, code, now), found);
  assert.equal(totpStep(secret, '', step * 30), null);
});

test('base32 is that of RFC 4648, §10', () => {
  for (const [text, encoded] of [
    ['', ''],
    ['f', 'MY'],
    ['fo', 'MZXQ'],
    ['foo', 'MZXW6'],
    ['foob', 'MZXW6YQ'],
    ['fooba', 'MZXW6YTB'],
    ['foobar', 'MZXW6YTBOI'],
  ] as const)
    assert.equal(toBase32(Buffer.from(text)), encoded);
});
