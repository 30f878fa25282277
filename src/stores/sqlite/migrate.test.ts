import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';
import * as fc from '../../../test/fixtures/properties.ts';
import { hasCode } from '../../core/store.ts';
import { keyRecord, tokenRecord } from '../store.fixtures.ts';
import { sqliteStore } from './store.ts';
import { comparable, comparableTime, timeText } from './time.ts';
import { python, skipWithout } from '../../../test/fixtures/programs.ts';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-migrate-'));
  file = join(folder, 'state.db');
});
afterEach(() => rm(folder, { recursive: true }));

const contractTable = `CREATE TABLE auth_tokens (token_id UUID PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE,
  created_at TIMESTAMPTZ NOT NULL, expires_at TIMESTAMPTZ NOT NULL, revoked_at TIMESTAMPTZ, metadata JSONB)`;

test('a table with the columns of the contract is adopted with its rows', async () => {
  raw((database) => {
    database.exec(contractTable);
    const insert = database.prepare('INSERT INTO auth_tokens VALUES (?, ?, ?, ?, ?, ?)');
    insert.run(id(1), 'h1', '2027-01-15T08:00:00Z', '2027-01-16T08:00:00Z', null, '{"purpose":"ci"}');
    insert.run(id(2), 'h2', '2027-01-15 08:00:01', '2027-01-16 08:00:00', null, null);
    insert.run(
      id(3),
      'h3',
      '2027-01-15 08:00:02.5+00',
      '2027-01-16 10:00:00+02',
      '2027-01-15T12:00:00.123456+00:00',
      '[1]',
    );
    insert.run(id(4), 'h4', 1_800_000_003, 1_800_086_400_000, null, 'not json');
    insert.run(id(5), 'h5', 'once', 'never', null, '{}');
    insert.run(id(6), 'h6', '2027-01-15T08:00:00Z', '2027-01-16T08:00:00Z', 'long ago', '{}');
  });
  const store = sqliteStore({ file });
  const before = await store.schema();
  assert.deepEqual([before.made, before.adopts], [false, 6]);
  assert.deepEqual(await store.migrate(), before.missing);
  assert.deepEqual(await store.schema(), { made: true, missing: [], adopts: null });
  const end = 1_800_086_400;
  const bare = { scopes: [], allowedIps: [], clientId: null, createdBy: '', metadata: {}, revokedAt: null };
  assert.deepEqual(await store.tokens.byHash('h1'), {
    ...bare,
    tokenId: id(1),
    tokenHash: 'h1',
    createdAt: 1_800_000_000,
    expiresAt: end,
    metadata: { purpose: 'ci' },
  });
  assert.deepEqual(await store.tokens.byHash('h2'), {
    ...bare,
    tokenId: id(2),
    tokenHash: 'h2',
    createdAt: 1_800_000_001,
    expiresAt: end,
  });
  assert.deepEqual(await store.tokens.get(id(3)), {
    ...bare,
    tokenId: id(3),
    tokenHash: 'h3',
    createdAt: 1_800_000_002.5,
    expiresAt: end,
    revokedAt: 1_800_014_400.123,
  });
  assert.equal((await store.tokens.byHash('h4'))?.expiresAt, end);
  assert.equal((await store.tokens.byHash('h5'))?.expiresAt, 0, 'an end that cannot be read has passed');
  assert.equal((await store.tokens.byHash('h6'))?.revokedAt, 0, 'a revocation that cannot be read has been made');
  const active = async (now: number) => (await store.tokens.listActive(now, 10)).map(({ tokenHash }) => tokenHash);
  assert.deepEqual(await active(end - 1), ['h4', 'h2', 'h1']);
  assert.deepEqual(await active(end), []);

  await assert.rejects(store.tokens.insert(tokenRecord(7, { tokenHash: 'h1' })), (error) =>
    hasCode(error, 'duplicate'),
  );
  await store.tokens.insert(tokenRecord(8));
  await store.tokens.revoke(id(1), 1_800_000_100);
  await store.close();
  raw((database) => {
    const row = database.prepare('SELECT token_hash, revoked_at FROM auth_tokens WHERE token_id = ?').get(id(1));
    assert.deepEqual({ ...row }, { token_hash: 'h1', revoked_at: '2027-01-15T08:01:40Z' });
    const times = database
      .prepare('SELECT expires_at FROM auth_tokens WHERE token_hash IN (?, ?, ?)')
      .all('h2', 'h3', 'h4');
    assert.deepEqual(
      times.map((time) => time.expires_at),
      Array.from({ length: 3 }, () => '2027-01-16T08:00:00Z'),
    );
    // A program that knows the contract's columns only goes on working.
    database
      .prepare('INSERT INTO auth_tokens (token_id, token_hash, created_at, expires_at) VALUES (?, ?, ?, ?)')
      .run(id(9), 'h9', '2027-01-15T08:00:00Z', '2027-01-16T08:00:00+00:00');
  });
  const later = sqliteStore({ file });
  assert.equal((await later.tokens.byHash('h9'))?.expiresAt, end);
  await later.close();
});

test('a new file has the columns of the contract, with times as RFC 3339 in UTC', async () => {
  const store = sqliteStore({ file });
  await store.migrate();
  await store.tokens.insert(tokenRecord(1, { metadata: { a: 1 }, revokedAt: 1_800_000_000.25 }));
  await store.close();
  raw((database) => {
    const row = database
      .prepare('SELECT token_id, token_hash, created_at, expires_at, revoked_at, metadata FROM auth_tokens')
      .get();
    assert.deepEqual(
      { ...row },
      {
        token_id: tokenRecord(1).tokenId,
        token_hash: 'hash-of-1',
        created_at: '2027-01-15T08:00:00Z',
        expires_at: '2027-01-16T08:00:00Z',
        revoked_at: '2027-01-15T08:00:00.250Z',
        metadata: '{"a":1}',
      },
    );
  });
});

for (const [what, prepare, words] of [
  ['without a column', 'CREATE TABLE auth_tokens (token_id TEXT, token_hash TEXT)', /no column created_at, expires_at/],
  [
    'with one hash twice',
    `${contractTable.replace(' UNIQUE', '')}; INSERT INTO auth_tokens VALUES
      ('a', 'h', '2027-01-15T08:00:00Z', '2027-01-15T08:00:00Z', NULL, NULL), ('b', 'h', '2027-01-15T08:00:00Z', '2027-01-15T08:00:00Z', NULL, NULL)`,
    /more than once/,
  ],
] as const) {
  test(`a table auth_tokens ${what} is refused and left as it was`, async () => {
    raw((database) => database.exec(prepare));
    const store = sqliteStore({ file });
    await assert.rejects(store.migrate(), (error) => {
      assert.ok(hasCode(error, 'store_unavailable') && error instanceof Error);
      assert.match(error.message, words);
      assert.ok(error.message.includes(file));
      return true;
    });
    await store.close();
    raw((database) => {
      const tables = database.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all();
      assert.deepEqual(
        tables.map(({ name }) => name),
        ['auth_tokens'],
      );
    });
  });
}

test('looking at the schema of a file that is not there makes none', async () => {
  const store = sqliteStore({ file });
  const { made, missing } = await store.schema();
  assert.equal(made, false);
  assert.ok(missing.length > 5);
  await store.close();
  assert.equal(existsSync(file), false);
});

test('a step that landed under a lower number than others is taken all the same', async () => {
  const store = sqliteStore({ file });
  await store.migrate();
  raw((database) =>
    database.exec(`DROP TABLE countersign_records; DELETE FROM countersign_migrations WHERE name = 'records'`),
  );
  const missing = [{ version: 9, name: 'records' }];
  assert.deepEqual(await store.schema(), { made: true, missing, adopts: null });
  assert.deepEqual(await store.migrate(), missing);
  assert.deepEqual(await store.records.list('ramp', 0), []);
  await store.close();
});

test('a file of a newer version is refused, and what to do is said', async () => {
  const store = sqliteStore({ file });
  await store.migrate();
  await store.close();
  raw((database) =>
    database.exec(`INSERT INTO countersign_migrations VALUES (999, 'from the future', '2030-01-01T00:00:00Z')`),
  );
  const older = sqliteStore({ file });
  await assert.rejects(older.migrate(), (error) => {
    assert.ok(hasCode(error, 'store_unavailable') && error instanceof Error);
    assert.match(error.message, /newer version of countersign \(its schema is 999, .*update countersign/);
    return true;
  });
  await older.close();
});

test('several processes that start at once migrate a new file once between them, and all can use it', async () => {
  const script = `
    import { sqliteStore } from ${JSON.stringify(new URL('store.ts', import.meta.url).href)};
    const [, file, key] = process.argv;
    const store = sqliteStore({ file });
    process.stdout.write('ready');
    process.stdin.once('data', async () => {
      await store.migrate();
      await store.keys.insert(JSON.parse(key));
      await store.close();
      process.exit();
    });`;
  const children = Array.from({ length: 6 }, (_, number) => {
    const key = JSON.stringify(keyRecord(`key-${number}`));
    const flags = ['--no-warnings', '--input-type=module', '--eval', script];
    return spawn(process.execPath, [...flags, file, key], { stdio: ['pipe', 'pipe', 'inherit'] });
  });
  const ended = children.map((child) => once(child, 'close'));
  await Promise.all(children.map((child) => once(child.stdout, 'data')));
  for (const child of children) child.stdin.write('go');
  assert.deepEqual(
    await Promise.all(ended),
    children.map(() => [0, null]),
  );
  raw((database) => {
    const versions = database.prepare('SELECT version FROM countersign_migrations ORDER BY version').all();
    assert.deepEqual(
      versions.map(({ version }) => version),
      versions.map((_row, index) => index + 1),
    );
    assert.deepEqual({ ...database.prepare('SELECT COUNT(*) AS n FROM countersign_keys').get() }, { n: 6 });
  });
});

test(
  'Python, with the SQLite that it brings, goes on writing to the table, and breaks nothing',
  { skip: skipWithout(python) },
  async () => {
    const store = sqliteStore({ file });
    await store.migrate();
    for (const number of [1, 2, 3]) await store.tokens.insert(tokenRecord(number));
    const script = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE auth_tokens SET revoked_at = '2027-01-15T09:00:00Z' WHERE token_hash = 'hash-of-1'")
database.execute("DELETE FROM auth_tokens WHERE token_hash = 'hash-of-2'")
database.execute("UPDATE auth_tokens SET expires_at = '2030-01-15 08:00:00+00:00' WHERE token_hash = 'hash-of-3'")
database.execute("INSERT INTO auth_tokens (token_id, token_hash, created_at, expires_at) VALUES (?, 'h4', '2027-01-15T08:00:00Z', '2030-01-15T08:00:00Z')", ('${id(4)}',))
database.commit()
print(database.execute('PRAGMA integrity_check').fetchone()[0])`;
    const { stdout } = await promisify(execFile)('python3', ['-c', script, file]);
    assert.equal(stdout.trim(), 'ok');
    const active = await store.tokens.listActive(1_850_000_000, 10);
    assert.deepEqual(active.map(({ tokenHash }) => tokenHash).sort(), ['h4', 'hash-of-3']);
    await store.close();
    raw((database) => assert.equal(database.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok'));
  },
);

test('times are compared to the millisecond, and equal ones are equal', () => {
  raw((database) => {
    const compared = database.prepare(`SELECT ${comparable('?')} AS time`);
    const millis = fc.integer({ min: 0, max: 4_102_444_800_000 });
    fc.assert(
      fc.property(millis, (time) => {
        assert.equal(compared.get(timeText(time / 1000))?.time, comparableTime(time / 1000));
        assert.ok(comparableTime((time + 1) / 1000) > comparableTime(time / 1000));
      }),
      { numRuns: 2_000 },
    );
  });
});

function raw(work: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(file);
  try {
    work(database);
  } finally {
    database.close();
  }
}

function id(number: number): string {
  return tokenRecord(number).tokenId;
}
