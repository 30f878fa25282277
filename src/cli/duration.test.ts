import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationSeconds } from './duration.ts';

test('a duration is a number and a unit, of a hundred years at most: beyond it there are ends that no clock can show', () => {
  assert.equal(durationSeconds('90d', 'expires'), 90 * 86_400);
  assert.equal(durationSeconds('36500d', 'expires'), 36_500 * 86_400);
  for (const text of ['36501d', '100000000d', '999999999w'])
    assert.throws(() => durationSeconds(text, 'expires'), { message: `--expires is at most 36500d` });
  for (const text of ['0s', '-1h', '1e3s', '1.5h', '90', 'd', ''])
    assert.throws(() => durationSeconds(text, 'expires'), { message: /^--expires is a number and a unit/ });
});
