import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import type { Change, Store } from '../../core/store.ts';
import { tokenRecord } from '../store.fixtures.ts';
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

for (const [what, sql] of [
  ['revokes', `UPDATE auth_tokens SET revoked_at = '2027-01-15T09:00:00Z' WHERE token_hash = 'hash-of-1'`],
  ['deletes', `DELETE FROM auth_tokens WHERE token_hash = 'hash-of-1'`],
  [
    'replaces',
    `INSERT OR REPLACE INTO auth_tokens (token_id, token_hash, created_at, expires_at)
      SELECT token_id, token_hash, created_at, '2027-01-15T09:00:00Z' FROM auth_tokens WHERE token_hash = 'hash-of-1'`,
  ],
] as const) {
  test(`a token that another program ${what} by plain SQL is told of`, async () => {
    await store.migrate();
    await store.tokens.insert(tokenRecord(1));
    await store.tokens.insert(tokenRecord(2));
    const heard = nextChange();
    raw(sql);
    assert.deepEqual(await heard, { topic: 'tokens', id: tokenRecord(1).tokenId });
  });
}

test('what we write to tokens ourselves is told once, and sweeping out expired ones not at all', async () => {
  await store.migrate();
  const heard: string[] = [];
  store.watch(({ topic, id }) => heard.push(`${topic} ${id}`));
  const { tokenId } = tokenRecord(1);
  await store.tokens.insert(tokenRecord(1));
  await store.tokens.insert(tokenRecord(2, { expiresAt: 1_600_000_000 }));
  await store.tokens.revoke(tokenId, 1_800_000_000);
  assert.equal(await store.tokens.deleteExpired(1_700_000_000), 1);
  await store.keys.revokeDigest('a', 1);
  assert.deepEqual(heard, [
    `tokens ${tokenId}`,
    `tokens ${tokenRecord(2).tokenId}`,
    `tokens ${tokenId}`,
    'revocations a',
  ]);
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
