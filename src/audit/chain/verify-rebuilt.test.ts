/** A table that was made anew without its constraints lets through what the schema refuses; all of it is found. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import type { EventRow } from '../../core/event.ts';
import type { Store } from '../../core/store.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { linkBehind } from './link.ts';
import { sealer } from './sealer.ts';
import { faultIn, retain, self, t0 } from './tampering.fixtures.ts';

const rebuilt = (table: string): string =>
  `CREATE TABLE made AS SELECT * FROM ${table}; DROP TABLE ${table}; ALTER TABLE made RENAME TO ${table};`;
const events = rebuilt('countersign_events');
const decisions = rebuilt('countersign_decisions');
const again = (table: string, where: string): string => `INSERT INTO ${table} SELECT * FROM ${table} WHERE ${where};`;
const set = (table: string, change: string, where: string): string => `UPDATE ${table} SET ${change} WHERE ${where};`;
const link = (number: number | string): string => `chain = 'events' AND sequence = ${number}`;

test('rows that no server would have written so are found, wherever a page ends', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-rebuilt-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'state.db');
  const made = sqliteStore({ file });
  await made.migrate();
  await grown(made);
  await made.close();
  const cases: [string, string, string][] = [
    ['an event twice', events + again('countersign_events', link(7)), 'inserted'],
    ['an event twice where a page ends', events + again('countersign_events', link(500)), 'inserted'],
    [
      'another event where a page ends',
      `${events}${again('countersign_events', link(500))} UPDATE countersign_events
      SET text = replace(text, 'key', 'KEY') WHERE rowid = (SELECT MAX(rowid) FROM countersign_events);`,
      'changed',
    ],
    ['the last event twice', events + again('countersign_events', link(600)), 'inserted'],
    ['a time that is none', set('countersign_events', `time = 'later'`, link(7)), 'changed'],
    ['a time that is no text either', set('countersign_events', `time = x'00'`, link(7)), 'changed'],
    ['a time without end', set('countersign_events', 'time = 9e999', link(7)), 'changed'],
    ['no time', events + set('countersign_events', 'time = NULL', link(7)), 'changed'],
    ['no text', events + set('countersign_events', 'text = NULL', link(7)), 'changed'],
    ['a text in bytes', events + set('countersign_events', 'text = CAST(text AS BLOB)', link(7)), 'changed'],
    ['a number that is no number', events + set('countersign_events', 'sequence = NULL', link(7)), 'inserted'],
    ['another chain', set('countersign_events', `chain = 'Events'`, link(7)), 'missing'],
    ['no chain', events + set('countersign_events', 'chain = NULL', link(7)), 'missing'],
    [
      'all events as seals',
      `DELETE FROM countersign_events WHERE chain = 'decisions';
      UPDATE countersign_events SET chain = 'decisions';`,
      'inserted',
    ],
    [
      'all seals as events',
      `DELETE FROM countersign_events WHERE chain = 'events';
      UPDATE countersign_events SET chain = 'events';`,
      'inserted',
    ],
    ['a decision twice', decisions + again('countersign_decisions', 'sequence = 30'), 'inserted'],
    [
      'a decision in place of the one behind it, where others are gone',
      `DELETE FROM countersign_decisions WHERE sequence < 20;
      ${decisions} ${again('countersign_decisions', 'sequence = 30')} DELETE FROM countersign_decisions WHERE sequence = 31;`,
      'inserted',
    ],
    [
      'a decision of no number',
      decisions + set('countersign_decisions', 'sequence = NULL', 'sequence = 30'),
      'inserted',
    ],
    [
      'a decision within a number',
      decisions + set('countersign_decisions', 'sequence = 29.5', 'sequence = 30'),
      'inserted',
    ],
    [
      'a path in bytes',
      decisions + set('countersign_decisions', 'path = CAST(path AS BLOB)', 'sequence = 30'),
      'changed',
    ],
    ['a time as a word', set('countersign_decisions', `time = 'x' || time`, 'sequence = 30'), 'changed'],
    ['no skew', set('countersign_decisions', 'skew_seconds = 0', 'sequence = 30'), 'changed'],
    ['all decisions', 'DELETE FROM countersign_decisions;', 'missing'],
  ];
  for (const [name, sql, kind] of cases) {
    const copy = join(folder, 'tampered.db');
    for (const end of ['', '-wal', '-shm']) await rm(copy + end, { force: true });
    await copyFile(file, copy);
    const tampered = new DatabaseSync(copy);
    tampered.exec(sql);
    tampered.close();
    const store = sqliteStore({ file: copy });
    assert.equal((await faultIn(store, t0 + 50))?.kind, kind, name);
    await store.close();
  }
});

/** 600 events; 40 decisions, sealed together, of which the first 20 may be gone since the others came. */
async function grown({ events: chains, decisions: rows }: Store): Promise<void> {
  let head: EventRow | null = null;
  for (let number = 1; number <= 600; number += 1) {
    const made: EventRow = linkBehind('events', head, { type: 'key.created', subject: `key-${number}` }, self, t0);
    await chains.append(made, head?.hash ?? '0'.repeat(64));
    head = made;
  }
  const clock = () => t0;
  await rows.append(Array.from({ length: 40 }, (_, at) => decisionRow(at, { time: t0 })));
  const bounds = { ...retain, rows: 21 };
  await sealer({ events: chains, decisions: rows, clock, self, retain: bounds, retainEvents: retain }).seal();
}
