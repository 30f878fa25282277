import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clockWarnings } from './clock-warnings.ts';

test('a clock that differs is told of, and the time that asking took is not held against it', () => {
  const said = (theirs: number, asked: number, answered: number) =>
    /is (\d+ s \w+)/.exec(clockWarnings('Redis at x', theirs, asked, answered).join())?.[1] ?? null;
  assert.equal(said(1000, 1000, 1000), null);
  assert.equal(said(1000, 1030, 1030), null);
  assert.equal(said(1000, 1900, 1901), '900 s ahead');
  assert.equal(said(1900, 1000, 1001), '899 s behind');
  assert.equal(said(1000, 960, 1000), null);
  assert.equal(said(1000, 990, 1100), null);
});
