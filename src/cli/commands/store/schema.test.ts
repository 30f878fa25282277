import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';
import { forThisFile, startPostgres, startRedis } from '../../../../test/fixtures/databases.ts';
import { runCli, startProgram, type CliResult } from '../../../../test/e2e/program.ts';

const services = 'services:\n  embeddings: { upstream: http://127.0.0.1:8081 }\n';
const oldTable = `CREATE TABLE auth_tokens (token_id UUID PRIMARY KEY, token_hash TEXT, created_at TIMESTAMPTZ,
  expires_at TIMESTAMPTZ, revoked_at TIMESTAMPTZ, metadata JSONB)`;
const oldTokens = `INSERT INTO auth_tokens VALUES
  ('00000000-0000-4000-8000-000000000001', 'h1', '2026-01-01T00:00:00Z', '2099-01-01T00:00:00Z', NULL, '{}'),
  ('00000000-0000-4000-8000-000000000002', 'h2', '2026-01-01T00:00:00Z', '2099-01-01T00:00:00Z', NULL, '{}')`;

interface Place {
  readonly folder: string;
  cli(...args: string[]): Promise<CliResult>;
  /** The same in a process of its own. */
  program(...args: string[]): Promise<CliResult>;
}

function place(t: TestContext, store = 'sqlite:state.db'): Place {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-schema-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'countersign.yaml'), `store: ${store}\n${services}`, { mode: 0o600 });
  return {
    folder,
    cli: (...args) => cliHere(args, { cwd: folder }),
    program: (...args) => runCli(args, { cwd: folder }),
  };
}

interface Migrated {
  readonly steps: readonly { version: number; name: string }[];
  readonly adopted: number | null;
}

/** A database as an older version of the program left it. */
function makeOlder(file: string): void {
  const database = new DatabaseSync(file);
  database.exec(`DROP INDEX countersign_tokens_age; DELETE FROM countersign_migrations WHERE name = 'tokens by age'`);
  database.close();
}

test('status tells what is missing and makes nothing; migrate makes it once', async (t) => {
  const { folder, cli } = place(t);
  const before = await cli('store', 'status');
  assert.equal(before.code, 1);
  assert.match(before.stdout, /schema +not made yet\nmissing +1  session tokens/);
  assert.match((await cli('store', 'migrate', '--dry-run')).stdout, /^would take {2}1 {2}session tokens/);
  assert.equal(existsSync(join(folder, 'state.db')), false);

  assert.match((await cli('store', 'migrate')).stdout, /^1 {2}session tokens\n/);
  assert.match((await cli('store', 'migrate')).stderr, /up to date: nothing to do/);
  const after = await cli('store', 'status', '--output', 'json');
  assert.equal(after.code, 0);
  const state = { kind: 'sqlite', reachable: true, made: true, missing: [], adopts: null, warnings: [] };
  assert.deepEqual(JSON.parse(after.stdout), state);
});

test('another command makes a schema where there is none, but leaves an older one as it is', async (t) => {
  const { folder, cli } = place(t);
  assert.equal((await cli('keys', 'list')).code, 0);
  makeOlder(join(folder, 'state.db'));
  for (const command of [['keys', 'list'], ['status'], ['keys', 'create', 'aidb']]) {
    const { code, stderr, stdout } = await cli(...command);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(
      stderr,
      /made by an older version of countersign \(missing: tokens by age\).*countersign store migrate/,
    );
  }
  assert.match((await cli('store', 'status')).stdout, /made by an older version\nmissing +10 {2}tokens by age\n/);
  assert.equal((await cli('store', 'migrate')).stdout, '10  tokens by age\n');
  assert.equal((await cli('keys', 'list')).code, 0);
});

test('serve brings an older schema up to date, or refuses it with --no-migrate', async (t) => {
  const { folder, cli, program } = place(t);
  await cli('store', 'migrate');
  const file = join(folder, 'state.db');
  makeOlder(file);
  const refused = await program('serve', '--no-migrate');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /made by an older version of countersign/);
  await startProgram(t, { yaml: services, store: `sqlite:${file}` });
  assert.match((await cli('store', 'status')).stdout, /up to date/);
});

const postgres = await forThisFile('the schema on Postgres', startPostgres);
if (postgres) {
  test('a table of session tokens is taken over by one of several that migrate at once, and by no other command', async (t) => {
    const url = await postgres.database();
    const client = new Client({ connectionString: url });
    await client.connect();
    t.after(() => client.end());
    await client.query(oldTable);
    await client.query(oldTokens);
    const { cli, program } = place(t, url);
    const refused = await cli('tokens', 'list');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /session tokens \(auth_tokens\) of another program and has not been taken over yet/);
    assert.match((await cli('store', 'status')).stdout, /tokens +2 of a table auth_tokens that is there already/);

    const ended = await Promise.all(Array.from({ length: 4 }, () => program('store', 'migrate', '--output', 'json')));
    assert.deepEqual(
      ended.map(({ code }) => code),
      [0, 0, 0, 0],
    );
    const did = ended.map(({ stdout }) => JSON.parse(stdout) as Migrated).filter(({ steps }) => steps.length > 0);
    assert.deepEqual(
      did.map(({ adopted }) => adopted),
      [2],
    );
    const listed = await cli('tokens', 'list', '--output', 'json');
    assert.equal((JSON.parse(listed.stdout) as unknown[]).length, 2);
  });
}

if (postgres) {
  test('a database that only reads, as a standby does, is not up to date but out of use', async (t) => {
    const url = await postgres.database();
    const { cli } = place(t, url);
    assert.equal((await cli('store', 'migrate')).code, 0);
    const client = new Client({ connectionString: url });
    await client.connect();
    t.after(() => client.end());
    await client.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_read_only = on`);
    const { code, stderr } = await cli('store', 'status');
    assert.equal(code, 3);
    assert.match(stderr, /is read only; name the primary/);
    assert.match((await cli('doctor')).stdout, /medium +store: .*is read only\n[^]*For it: name the primary/);
  });
}

const redis = await forThisFile('what endangers a Redis', () =>
  startRedis(undefined, { 'maxmemory-policy': 'volatile-lru' }),
);
if (redis) {
  test('a Redis that throws keys away is found wanting by store status and by status', async (t) => {
    const { cli } = place(t, redis.url);
    for (const command of [['store', 'status'], ['status']]) {
      const { code, stdout } = await cli(...command);
      assert.equal(code, 1);
      assert.match(stdout, /wanting +Redis has maxmemory-policy volatile-lru.*set maxmemory-policy noeviction/);
    }
    assert.match((await cli('store', 'migrate')).stderr, /The schema of the redis store is up to date/);
    const { stderr } = await startProgram(t, {
      yaml: services,
      store: redis.url,
      env: { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) },
    });
    assert.match(stderr(), /warning: Redis has maxmemory-policy volatile-lru/);
  });
}
