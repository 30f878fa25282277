import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from 'pg';
import { chainStart } from '../../core/event.ts';
import { hasCode } from '../../core/store.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { forThisFile, startPostgres } from '../../../test/fixtures/databases.ts';
import { decisionRow, eventRow, keyRecord, tokenRecord } from '../store.fixtures.ts';
import { rpcStatements } from './rpc.ts';
import { schemaScript } from './script.ts';
import { postgresStore } from './store.ts';

const server = await forThisFile('the schema of Postgres', startPostgres);

/** As databases in use have it. */
const contractTable = `CREATE TABLE auth_tokens (token_id UUID PRIMARY KEY, token_hash TEXT NOT NULL UNIQUE,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(), expires_at TIMESTAMPTZ NOT NULL, revoked_at TIMESTAMPTZ, metadata JSONB)`;

test('the functions that stores over HTTP call are those of the last step that makes them', () => {
  const made = 'c84090f9f410b52daf62aba13278b6d31cb3fa1a6c49350c5cf3a9bbe34b8e0f';
  const words =
    'a statement has changed: make the functions anew in a new step (postgres/rpc.ts), and write its digest here';
  assert.equal(sha256Hex(rpcStatements.join('\n')), made, words);
});

if (server) {
  test('a table with the columns of the contract is adopted with its rows', async () => {
    const url = await server.database();
    await sql(
      url,
      contractTable,
      `INSERT INTO auth_tokens VALUES
        ('${id(1)}', 'h1', '2027-01-15 08:00:00+00', '2027-01-16 10:00:00.5+02', NULL, '{"purpose":"ci"}'),
        ('${id(2)}', 'h2', '2027-01-15 08:00:01Z', 'infinity', '2027-01-15 12:00:00Z', NULL)`,
      `CREATE FUNCTION cleanup_expired_auth_tokens() RETURNS VOID AS 'DELETE FROM auth_tokens WHERE expires_at < now()'
        LANGUAGE SQL`,
    );
    const store = postgresStore({ url });
    const before = await store.schema();
    assert.deepEqual([before.made, before.adopts], [false, 2]);
    assert.deepEqual(await sql(url, `SELECT 1 FROM pg_tables WHERE tablename LIKE 'countersign%'`), []);
    assert.deepEqual(await store.migrate(), before.missing);
    assert.deepEqual(await store.schema(), { made: true, missing: [], adopts: null });
    const bare = { scopes: [], allowedIps: [], clientId: null, createdBy: '', metadata: {}, revokedAt: null };
    assert.deepEqual(await store.tokens.byHash('h1'), {
      ...bare,
      tokenId: id(1),
      tokenHash: 'h1',
      createdAt: 1_800_000_000,
      expiresAt: 1_800_086_400.5,
      metadata: { purpose: 'ci' },
    });
    const endless = await store.tokens.get(id(2));
    assert.equal(endless?.revokedAt, 1_800_014_400);
    assert.equal(new Date((endless?.expiresAt ?? 0) * 1000).getUTCFullYear(), 9999);
    await store.tokens.insert(tokenRecord(7));
    await store.close();
    assert.deepEqual(await sql(url, `SELECT token_hash, metadata FROM auth_tokens WHERE token_hash LIKE 'hash%'`), [
      { token_hash: tokenRecord(7).tokenHash, metadata: {} },
    ]);
  });

  test('expired tokens are cleaned up by the function that databases in use call', async () => {
    const url = await server.database();
    const store = postgresStore({ url });
    await store.migrate();
    await store.tokens.insert(tokenRecord(1, { expiresAt: 1000 }));
    await store.tokens.insert(tokenRecord(2, { expiresAt: 4_000_000_000 }));
    assert.deepEqual(await sql(url, 'SELECT cleanup_expired_auth_tokens() AS deleted'), [{ deleted: 1 }]);
    assert.equal(await store.tokens.get(tokenRecord(1).tokenId), null);
    assert.notEqual(await store.tokens.get(tokenRecord(2).tokenId), null);
    await store.close();
  });

  test('a table that only has the name is refused with the reason, and left alone', async () => {
    const cases = [
      ['CREATE TABLE auth_tokens (token_id UUID PRIMARY KEY, expires_at TIMESTAMPTZ)', /has no column token_hash/],
      [contractTable.replace('UUID', 'INTEGER'), /token_id of type integer, not uuid/],
      [contractTable.replace('expires_at TIMESTAMPTZ', 'expires_at TIMESTAMP'), /expires_at of type timestamp without/],
    ] as const;
    for (const [table, words] of cases) {
      const url = await server.database();
      await sql(url, table);
      const store = postgresStore({ url });
      for (const verb of [() => store.schema(), () => store.migrate()])
        await assert.rejects(
          verb(),
          (error: Error) => hasCode(error, 'store_unavailable') && words.test(error.message),
        );
      await store.close();
      assert.deepEqual(await sql(url, `SELECT tablename FROM pg_tables WHERE tablename LIKE 'countersign%'`), []);
    }
  });

  test('a table with one hash twice is refused', async () => {
    const url = await server.database();
    const rows = [1, 2].map((number) => `('${id(number)}', 'h', now(), now(), NULL, NULL)`);
    await sql(url, contractTable.replace(' UNIQUE', ''), `INSERT INTO auth_tokens VALUES ${rows.join(', ')}`);
    const store = postgresStore({ url });
    await assert.rejects(store.migrate(), /token_hash more than once/);
    await store.close();
  });

  test('eight instances that start at once migrate once between them', async () => {
    const url = await server.database();
    await sql(url, contractTable);
    const stores = Array.from({ length: 8 }, () => postgresStore({ url }));
    const taken = await Promise.all(stores.map((store) => store.migrate()));
    assert.equal(taken.filter((steps) => steps.length > 0).length, 1);
    await stores[0]?.keys.insert(keyRecord('a'));
    for (const store of stores) {
      assert.deepEqual(await store.keys.list(), [keyRecord('a')]);
      await store.close();
    }
    const applied = await sql(url, 'SELECT version FROM countersign_migrations ORDER BY version');
    assert.deepEqual(
      applied.map(({ version }) => version),
      applied.map((_row, index) => index + 1),
    );
  });

  test('a step that landed under a lower number than others is taken all the same', async () => {
    const url = await server.database();
    const store = postgresStore({ url });
    await store.migrate();
    await sql(url, 'DROP TABLE countersign_records', `DELETE FROM countersign_migrations WHERE name = 'records'`);
    const missing = [{ version: 9, name: 'records' }];
    assert.deepEqual(await store.schema(), { made: true, missing, adopts: null });
    assert.deepEqual(await store.migrate(), missing);
    assert.deepEqual(await store.records.list('ramp', 0), []);
    await store.close();
  });

  test('a user who may make no tables is told so, and works with the rights that the manual grants', async () => {
    const url = new URL(await server.database());
    const granted = readFileSync(join(import.meta.dirname, '../../../docs/stores.md'), 'utf8');
    const grants = /### A user with few rights.*?```sql\n(.*?)```/s.exec(granted)?.[1] ?? '';
    await sql(url.href, `CREATE ROLE few_rights LOGIN PASSWORD 'few-rights'`);
    const few = new URL(url);
    [few.username, few.password] = ['few_rights', 'few-rights'];
    const store = postgresStore({ url: few.href });
    await assert.rejects(
      store.migrate(),
      /owner of the database and its tables, or grant it what docs\/stores\.md lists/,
    );
    await sql(url.href, schemaScript(), grants.replaceAll('TO countersign;', 'TO few_rights;'));
    assert.deepEqual((await store.schema()).missing, []);
    const heard = new Promise((resolve) => store.watch(({ topic }) => void (topic === 'keys' && resolve(topic))));
    await store.keys.insert(keyRecord('a'));
    await heard;
    await store.tokens.insert(tokenRecord(1));
    await store.decisions.append([decisionRow(0)]);
    assert.equal(await store.events.append(eventRow(1), chainStart), true);
    assert.equal((await store.keys.revoke('a', 1_800_000_000))?.revokedAt, 1_800_000_000);
    await store.close();
  });

  test('a database of a newer version is refused', async () => {
    const url = await server.database();
    const store = postgresStore({ url });
    await store.migrate();
    await sql(url, `INSERT INTO countersign_migrations VALUES (999, 'later', 'later')`);
    await assert.rejects(store.migrate(), /written by a newer version/);
    await assert.rejects(store.schema(), /written by a newer version/);
    await store.close();
  });

  test('a database that was never migrated says so', async () => {
    const store = postgresStore({ url: await server.database() });
    await assert.rejects(
      store.keys.list(),
      (error: Error) => hasCode(error, 'store_unavailable') && /not migrated yet/.test(error.message),
    );
    await store.close();
  });
}

function id(number: number): string {
  return `00000000-0000-4000-8000-00000000000${number}`;
}

async function sql(url: string, ...statements: string[]): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  let rows: Record<string, unknown>[] = [];
  for (const statement of statements) ({ rows } = await client.query(statement));
  await client.end();
  return rows;
}
