import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import { hasCode, type Store } from '../../core/store.ts';
import { decisionRow, keyRecord, tokenRecord } from '../store.fixtures.ts';
import { changeFeed } from './changes.ts';
import { openDatabase } from './database.ts';
import { migrate } from './migrate.ts';
import { sqliteStore } from './store.ts';
import { sqliteTokens } from './tokens.ts';
import { until } from '../../../test/fixtures/until.ts';

let folder: string;
let file: string;
let opened: Store[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-fault-'));
  file = join(folder, 'state.db');
  opened = [];
});
afterEach(async () => {
  for (const store of opened) await store.close();
  await rm(folder, { recursive: true });
});

test('the file, its log and the folder made for it are for the owner alone', async () => {
  const made = join(folder, 'new');
  const mask = process.umask(0);
  try {
    const store = storeOn(join(made, 'state.db'));
    await store.migrate();
    await store.decisions.append([decisionRow(1)]);
  } finally {
    process.umask(mask);
  }
  for (const name of ['state.db', 'state.db-wal', 'state.db-shm'])
    assert.equal(await modeOf(join(made, name)), 0o600, name);
  assert.equal(await modeOf(made), 0o700);
});

test('no more than the folder of the file is made: where that has none to be in, the path is mistyped', async () => {
  const store = storeOn(join(folder, 'mistyped', 'dir', 'state.db'));
  await assert.rejects(store.migrate(), unavailable(/state\.db cannot be created: .*check that the folder exists/));
  assert.equal(await stat(join(folder, 'mistyped')).catch(() => null), null);
});

test('a folder that was there keeps its mode', async () => {
  await chmod(folder, 0o750);
  await storeOn(file).migrate();
  assert.equal((await stat(folder)).mode & 0o777, 0o750);
});

test('a folder in the place of the file is named', async () => {
  await mkdir(file);
  await assert.rejects(storeOn(file).migrate(), unavailable(/cannot be opened; check that it is a file/));
});

test('a file in the place of the folder is named', async () => {
  await writeFile(join(folder, 'blocked'), '');
  await assert.rejects(
    storeOn(join(folder, 'blocked', 'state.db')).migrate(),
    unavailable(/cannot be created: .*check that/),
  );
});

test('a file that is no database is named, and left as it was', async () => {
  await writeFile(file, 'listen: 127.0.0.1:8700\n'.repeat(500));
  await assert.rejects(storeOn(file).migrate(), unavailable(/is not a SQLite database; name another file/));
  assert.equal((await stat(file)).size, 23 * 500);
});

test('a damaged database says so at every verb that meets the damage, and closes', async () => {
  const store = storeOn(file);
  await store.migrate();
  for (let number = 0; number < 300; number += 1) await store.keys.insert(keyRecord(`key-${number}`));
  await store.close();
  const { size } = await stat(file);
  const handle = await open(file, 'r+');
  await handle.write(Buffer.alloc(size - 4096, 0xa5), 0, size - 4096, 4096);
  await handle.close();
  const damaged = storeOn(file);
  await assert.rejects(damaged.keys.list(), unavailable(/is damaged; stop every process.*restore it from a backup/));
  await assert.rejects(damaged.keys.insert(keyRecord('a')), unavailable(/is damaged/));
});

test('a file that is asked before it is migrated says what to do', async () => {
  await assert.rejects(storeOn(file).keys.list(), unavailable(/schema/));
});

test('a user who may not write is told so', async () => {
  const store = storeOn(file);
  await store.migrate();
  await store.close();
  await chmod(folder, 0o755);
  await chmod(file, 0o000);
  assert.match(
    unprivileged('store.migrate()'),
    /^store_unavailable .*state\.db cannot be opened; .*may read and write it/,
  );
  await chmod(folder, 0o777);
  await chmod(file, 0o444);
  assert.match(
    unprivileged('store.modes.clear(null)'),
    /^store_unavailable .*state\.db cannot be written; make the file/,
  );
  assert.match(unprivileged('store.ping()'), /^store_unavailable .*state\.db cannot be written; make the file/);
  await rm(file);
  await chmod(folder, 0o555);
  assert.match(unprivileged('store.migrate()'), /^store_unavailable .*state\.db cannot be created: EACCES/);
  await chmod(folder, 0o755);
});

test('a full disk is named, loses nothing that was acknowledged, and is over when there is room', async () => {
  const database = openDatabase(file);
  migrate(database, 0);
  const feed = changeFeed(database, 1000);
  const tokens = sqliteTokens(database, feed);
  const pages = database.durable.get<{ page_count: number }>('PRAGMA page_count')?.page_count ?? 0;
  database.durable.get(`PRAGMA max_page_count = ${pages + 5}`);
  const heard: string[] = [];
  feed.watch(({ id }) => heard.push(id));
  let stored = 0;
  const fill = async () => {
    for (; stored < 10_000; stored += 1) await tokens.insert(tokenRecord(stored));
  };
  await assert.rejects(fill(), unavailable(/cannot grow, the disk is full; make room/));
  assert.equal((await tokens.listActive(0, 100_000)).length, stored);
  assert.equal(heard.length, stored, 'what was not stored is not told of');
  database.durable.get('PRAGMA max_page_count = 100000');
  await tokens.insert(tokenRecord(stored));
  assert.equal(heard.length, stored + 1);
  feed.close();
  database.close();
});

test('a file that was removed or replaced under a running process is not written to in vain', async () => {
  const store = storeOn(file);
  await store.migrate();
  await rm(file);
  await assert.rejects(store.keys.insert(keyRecord('a')), unavailable(/removed or replaced while in use/));
  await assert.rejects(store.ping(), unavailable(/removed or replaced/));
  await storeOn(file).migrate();
  await assert.rejects(store.ping(), unavailable(/removed or replaced/));
  await assert.rejects(store.decisions.append([decisionRow(1)]), unavailable(/removed or replaced/));
});

test('changes are not heard while another file is in the place of ours, and heard again when ours is back', async () => {
  const store = storeOn(file);
  await store.migrate();
  const heard: string[] = [];
  store.watch(({ topic }) => heard.push(topic));
  await rename(file, `${file}.aside`);
  await until(() => heard.length > 0);
  await assert.rejects(store.limits.once('nonce', 2000, 1000), unavailable(/removed or replaced/));
  await rename(`${file}.aside`, file);
  await until(() => heard.length > 1);
  assert.deepEqual(heard, ['lost', 'resync']);
  assert.equal(await store.limits.once('nonce', 2000, 1000), true);
});

test('a lock that is held for too long is an outage, and over when it is let go', async () => {
  const store = storeOn(file);
  await store.migrate();
  const holder = new DatabaseSync(file);
  holder.exec('BEGIN IMMEDIATE');
  await assert.rejects(store.limits.take('k', 1, 60, 0), unavailable(/locked by another process/));
  assert.deepEqual(await store.keys.list(), [], 'reading needs no lock');
  holder.exec('ROLLBACK');
  holder.close();
  assert.equal((await store.limits.take('k', 1, 60, 0)).allowed, true);
});

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

function storeOn(name: string): Store {
  const store = sqliteStore({ file: name });
  opened.push(store);
  return store;
}

/** What a verb comes to for a user whom modes bind: root is bound by none. */
function unprivileged(verb: string): string {
  const script = `
    import { sqliteStore } from ${JSON.stringify(new URL('store.ts', import.meta.url).href)};
    if (process.getuid() === 0) process.setuid(65534);
    const store = sqliteStore({ file: process.argv[1] });
    await ${verb}.then(() => console.log('done'), (error) => console.log(error.code, error.message));
    await store.close();`;
  const flags = ['--no-warnings', '--input-type=module', '--eval', script, file];
  return spawnSync(process.execPath, flags, { encoding: 'utf8' }).stdout;
}

/** Every outage names the file, so that it can be found. */
function unavailable(words: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof Error);
    assert.ok(hasCode(error, 'store_unavailable'), error.stack);
    assert.match(error.message, words);
    assert.ok(error.message.includes(folder), error.message);
    return true;
  };
}
