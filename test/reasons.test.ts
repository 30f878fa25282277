/** docs/reasons.md and the table of reasons are held together here: neither knows one that the other does not. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REASONS, type ReasonRow } from '../src/core/verdict.ts';

const text = readFileSync(join(import.meta.dirname, '../docs/reasons.md'), 'utf8');

/** The rows of the table whose first column is called so. */
function rows(column: string): string[][] {
  const start = text.search(new RegExp(`^\\| ${column} +\\|`, 'm'));
  assert.notEqual(start, -1, `docs/reasons.md lacks the table "${column}"`);
  const lines = text.slice(start).split('\n').slice(2);
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(0, end === -1 ? lines.length : end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test('every reason has one row, in the order of the table, with its status and words', () => {
  const documented = rows('Reason').map(([reason, status, words]) => [reason, Number(status), words]);
  const table = Object.entries(REASONS).map(([reason, { status, words }]) => [`\`${reason}\``, status, words]);
  assert.deepEqual(documented, table);
});

test('every row says what the reason means and what to do', () => {
  for (const [reason, , , meaning, remedy] of rows('Reason')) {
    assert.ok(meaning?.endsWith('.'), reason);
    assert.ok(remedy?.endsWith('.'), reason);
  }
});

test('other words for the same reason are those of the table', () => {
  const documented = new Map(rows('It came as').map(([how = '', words = '']) => [how.replaceAll('`', ''), words]));
  for (const [reason, row] of Object.entries(REASONS) as [string, ReasonRow][]) {
    if (!row.wordsFor) continue;
    assert.deepEqual(new Map(Object.entries(row.wordsFor)), documented, reason);
  }
});
