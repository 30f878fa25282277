import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

test('no statement numbers its parameters, since node:sqlite of Node 22.18 binds none that have a number', () => {
  const files = globSync('*.ts', { cwd: import.meta.dirname }).filter((name) => !name.endsWith('.test.ts'));
  assert.ok(files.length > 10);
  const numbered = files.filter((name) => /\?\d/.test(readFileSync(join(import.meta.dirname, name), 'utf8')));
  assert.deepEqual(numbered, []);
});
