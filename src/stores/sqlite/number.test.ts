import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { decisionRow } from '../store.fixtures.ts';
import { sqliteStore } from './store.ts';

test('rows with numbers that nobody gave are read as such, and the others beside them', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-number-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'state.db');
  const store = sqliteStore({ file });
  await store.migrate();
  await store.decisions.append([decisionRow(1), decisionRow(2)]);
  const database = new DatabaseSync(file);
  const columns = database
    .prepare(
      `SELECT group_concat(name) AS names FROM pragma_table_info('countersign_decisions') WHERE name <> 'sequence'`,
    )
    .get()?.['names'];
  for (const number of ['-9223372036854775807 - 1', '0', '9223372036854775806'])
    database.exec(
      `INSERT INTO countersign_decisions (sequence, ${columns}) SELECT ${number}, ${columns} FROM countersign_decisions WHERE sequence = 1`,
    );
  for (const number of [`'words'`, `x'00'`, '1.5', '-1', '9007199254740993'])
    database.exec(`INSERT INTO countersign_events VALUES ('events', ${number}, 1, 'a.b', 'x', '{}', '')`);
  database.close();
  const numbers = (rows: readonly { readonly sequence: number }[]) => rows.map(({ sequence }) => sequence);
  const beyond = 2 ** 53;
  assert.deepEqual(numbers(await store.decisions.list({ after: -Infinity, limit: 9 })), [-beyond, 0, 1, 2, beyond]);
  assert.deepEqual(numbers(await store.decisions.list({ after: beyond, limit: 9 })), []);
  const events = numbers(await store.events.list('events', { after: -Infinity, limit: 9 }));
  assert.deepEqual(events, [-1, 1.5, beyond, beyond, beyond]);
  assert.equal((await store.events.head('events'))?.sequence, beyond);
  await store.close();
});
