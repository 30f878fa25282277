/** What was put into a database under a number that no server gives is found, in every engine that lets somebody do so. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { forThisFile, startPostgres, startRedis } from '../../../test/fixtures/databases.ts';
import { startPostgrest } from '../../../test/fixtures/postgrest.ts';
import type { Store } from '../../core/store.ts';
import { schemaScript } from '../../stores/postgres/script.ts';
import { postgresStore } from '../../stores/postgres/store.ts';
import { redisStore } from '../../stores/redis/store.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import { supabaseStore } from '../../stores/supabase/store.ts';
import { faultIn, fill, forgedLink } from './tampering.fixtures.ts';

const postgres = await forThisFile('strays on Postgres', startPostgres);
const redis = await forThisFile('strays on Redis', startRedis);

const decisionColumns = `time, outcome, reason, note, mode, service, route, method, path, principal, claimed, scheme,
  credential_id, client_address, skew_seconds, duration_micros, request_id`;
const copied = (number: string): string =>
  `INSERT INTO countersign_decisions (sequence, ${decisionColumns}) OVERRIDING SYSTEM VALUE
    SELECT ${number}, ${decisionColumns} FROM countersign_decisions WHERE sequence = (SELECT MAX(sequence) FROM countersign_decisions)`;

async function inserted(store: Store, name: string): Promise<void> {
  const fault = await faultIn(store);
  assert.equal(fault?.kind, 'inserted', `${name}: ${JSON.stringify(fault)}`);
}

test('in SQLite, be it below 1, within a number, too great for one, or a word', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-numbers-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'state.db');
  const store = sqliteStore({ file });
  t.after(() => store.close());
  await store.migrate();
  await fill(store);
  assert.equal(await faultIn(store), null);
  const database = new DatabaseSync(file);
  t.after(() => database.close());
  const integers = ['-9223372036854775807 - 1', '-9007199254740993', '-1', '0', '9223372036854775806'];
  const others = ['1.5', '-0.5', `'words'`, `x'00'`, '1e300', '-1e300'];
  for (const number of [...integers, ...others]) {
    for (const chain of ['events', 'decisions'] as const) {
      const { time, type, actor, text, hash } = forgedLink(0, { chain });
      database
        .prepare(`INSERT INTO countersign_events VALUES (?, ${number}, ?, ?, ?, ?, ?)`)
        .run(chain, time, type, actor, text, hash);
      await inserted(store, `${chain} ${number}`);
      database.exec(`DELETE FROM countersign_events WHERE hash = '${hash}'`);
    }
  }
  for (const number of integers) {
    database.exec(copied(number).replace('OVERRIDING SYSTEM VALUE', ''));
    await inserted(store, `decision ${number}`);
    database.exec(`DELETE FROM countersign_decisions WHERE sequence = ${number}`);
  }
  assert.equal(await faultIn(store), null);
});

if (postgres) {
  test('in Postgres, asked by itself and over HTTP', async (t) => {
    const databaseUrl = await postgres.database();
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    t.after(() => client.end());
    const { url, secretKey: key } = await startPostgrest({ after }, databaseUrl);
    await client.query(schemaScript());
    const stores = [postgresStore({ url: databaseUrl }), supabaseStore({ url, key, patienceMillis: 20_000 })];
    t.after(() => Promise.all(stores.map((store) => store.close())));
    await fill(stores[0] as Store);
    const least = '(-9223372036854775808)';
    for (const number of [least, '-9223372036854775807', '-9007199254740993', '-1', '0', '9223372036854775806']) {
      for (const chain of ['events', 'decisions'] as const) {
        const { time, type, actor, text, hash } = forgedLink(0, { chain });
        await client.query(`INSERT INTO countersign_events VALUES ($1, ${number}, $2, $3, $4, $5, $6)`, [
          chain,
          time,
          type,
          actor,
          text,
          hash,
        ]);
        for (const store of stores) {
          const shown = await store.events.list(chain, { limit: 1 });
          // The least of all numbers cannot be asked for, so it is shown to nobody either.
          if (number === least) assert.notEqual(shown[0]?.hash, hash);
          else await inserted(store, `${chain} ${number}`);
        }
        await client.query('DELETE FROM countersign_events WHERE hash = $1', [hash]);
      }
      await client.query(copied(number));
      for (const store of stores) {
        if (number === least && store === stores[1]) assert.equal((await store.decisions.list({ limit: 9 })).length, 3);
        else await inserted(store, `decision ${number}`);
      }
      await client.query(`DELETE FROM countersign_decisions WHERE sequence = ${number}`);
    }
    for (const store of stores) assert.equal(await faultIn(store), null);

    await client.query('CREATE TABLE made AS SELECT * FROM countersign_events');
    await client.query('ALTER TABLE countersign_events DROP CONSTRAINT countersign_events_pkey');
    await client.query('ALTER TABLE countersign_events ALTER sequence DROP NOT NULL');
    await client.query(`INSERT INTO countersign_events SELECT chain, NULL, time, type, actor, text, hash FROM made`);
    for (const store of stores)
      for (const { sequence } of await store.events.list('events', { limit: 9 }))
        assert.equal(typeof sequence, 'number');
    await client.query('DELETE FROM countersign_events WHERE sequence IS NULL');
    for (const time of ['NaN', 'infinity', '-infinity']) {
      await client.query(`UPDATE countersign_events SET time = '${time}' WHERE chain = 'events' AND sequence = 2`);
      for (const store of stores) assert.match((await faultIn(store))?.kind ?? '', /^(changed|missing)$/, time);
    }
  });
}

if (redis) {
  test('in Redis, and what has the number of another', async (t) => {
    const { url } = redis;
    const client = new Redis(url);
    t.after(() => client.disconnect());
    const store = redisStore({ url });
    t.after(() => store.close());
    await fill(store);
    assert.equal(await faultIn(store), null);
    for (const number of ['-inf', '-1', '0', '1.5', '2', '3']) {
      for (const chain of ['events', 'decisions'] as const) {
        if (chain === 'decisions' && Number(number) > 1) continue;
        const { sequence, time, type, actor, text, hash } = forgedLink(Number(number) || 0, { chain });
        const row = JSON.stringify([sequence, time, type, actor, text, hash]);
        await client.zadd(`countersign:events:${chain}`, number, row);
        assert.notEqual(await faultIn(store), null, `${chain} ${number}`);
        await client.zrem(`countersign:events:${chain}`, row);
      }
    }
    const rows = await client.xrange('countersign:decisions', '-', '+');
    await client.del('countersign:decisions');
    for (const [id, fields] of rows.toSpliced(2, 0, ['2-1', rows[1]?.[1] ?? []]))
      await client.xadd('countersign:decisions', id, ...fields);
    await inserted(store, 'decision 2-1');
  });
}
