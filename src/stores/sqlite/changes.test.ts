import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import type { Change, Store } from '../../core/store.ts';
import { sqliteStore } from './store.ts';

let folder: string;
let file: string;
let store: Store;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-changes-'));
  file = join(folder, 'state.db');
  store = sqliteStore({ file, pollMillis: 5 });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

test('who was away while changes were thrown away is told to read everything anew', async () => {
  await store.migrate();
  await store.keys.revokeDigest('a', 1);
  const heard = nextChange();
  raw(`BEGIN;
    INSERT INTO countersign_changes (topic, id) VALUES ('keys', 'missed'), ('keys', 'missed too'), ('keys', 'left');
    DELETE FROM countersign_changes WHERE id LIKE 'missed%';
    COMMIT`);
  assert.deepEqual(await heard, { topic: 'resync', id: '' });
  const next = nextChange();
  await store.keys.revokeDigest('b', 1);
  assert.deepEqual(await next, { topic: 'revocations', id: 'b' });
});

test('who watches before the schema is there is told to read everything once it is', async () => {
  const heard = nextChange();
  const other = sqliteStore({ file });
  await other.migrate();
  await other.keys.revokeDigest('a', 1);
  await other.close();
  assert.deepEqual(await heard, { topic: 'resync', id: '' });
});

test('a listener may write, and each change is told once', async () => {
  await store.migrate();
  const heard: string[] = [];
  store.watch(({ id }) => {
    heard.push(id);
    if (id === 'a') void store.keys.revokeDigest('b', 1);
  });
  await store.keys.revokeDigest('a', 1);
  await store.keys.revokeDigest('c', 1);
  assert.deepEqual(heard, ['a', 'b', 'c']);
});

test('old changes are thrown away', async () => {
  await store.migrate();
  raw(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO countersign_changes (topic, id) SELECT 'keys', i FROM n`);
  await store.keys.revokeDigest('a', 1);
  const database = new DatabaseSync(file);
  assert.deepEqual({ ...database.prepare('SELECT COUNT(*) AS n FROM countersign_changes').get() }, { n: 10_000 });
  database.close();
});

function nextChange(): Promise<Change> {
  return new Promise((resolve) => {
    const stop = store.watch((change) => {
      stop();
      resolve(change);
    });
  });
}

function raw(sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}
