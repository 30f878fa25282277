import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fits } from './glob.ts';

test('a glob fits whole names, and a star any characters', () => {
  for (const name of ['read_file', 'read_', 'read_a/b']) assert.ok(fits('read_*', name), name);
  for (const name of ['read', 'xread_file', 'Read_file', '']) assert.ok(!fits('read_*', name), name);
  assert.ok(fits('*', '') && fits('*', 'a') && fits('a', 'a') && !fits('a', 'ab') && !fits('', 'a'));
  assert.ok(fits('a*b*c', 'a-b-c') && fits('a*b*c', 'abc') && !fits('a*b*c', 'ac') && !fits('ab*ba', 'aba'));
  assert.ok(!fits(`${'a*'.repeat(50)}b`, 'a'.repeat(100_000)), 'in a time that nobody notices');
});
