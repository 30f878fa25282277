import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import { forThisFile, startPostgres } from '../../../test/fixtures/databases.ts';
import {
  decisionGroups,
  firstBeyond,
  listing,
  pruneFirst,
  pruneOld,
  pruneStrangers,
  strangersBeyond,
} from './decisions.ts';
import { eventHead, eventsByNumber, eventsByTime } from './events.ts';
import { keyByDigest, keyById, keysBehind, revocationsBehind } from './keys.ts';
import { limitByKey, limitsSweep, onceSweep } from './limits.ts';
import { expiredRecords, recordById, recordsBehind } from './records.ts';
import { oldestMinute, rollupGroups, rollupMeasures, rollupPrunes } from './rollups.ts';
import { postgresStore } from './store.ts';
import { activeTokens, deleteSome, tokenByHash, tokenById } from './tokens.ts';
import { usesBeyond, usesOf } from './usage.ts';

const server = await forThisFile('look-ups on Postgres', startPostgres);

const statements = {
  'token by hash': tokenByHash,
  'token by id': tokenById,
  'active tokens': activeTokens,
  'expired tokens': deleteSome,
  'end of a chain': eventHead,
  'events of a time': eventsByTime,
  'events behind a number': eventsByNumber,
  record: recordById,
  'records of a kind': recordsBehind,
  'ended records': expiredRecords,
  'key by digest': keyByDigest,
  'key by id': keyById,
  'the next keys': keysBehind,
  'the next revocations': revocationsBehind,
  'limit by key': limitByKey,
  'ended limits': limitsSweep,
  'expired one-time values': onceSweep,
  'decisions of a time': listing({ since: 1, until: 2, outcome: 'deny', limit: 1 }).statement,
  'decisions behind a number': listing({ after: 1, limit: 1 }).statement,
  'newest decisions': listing({ limit: 1 }).statement,
  'decisions in groups': decisionGroups,
  'old decisions': pruneOld,
  'first decisions': pruneFirst,
  'the first decision beyond': firstBeyond,
  'first decisions of strangers': pruneStrangers,
  'the first decision of a stranger beyond': strangersBeyond,
  'groups of a time': rollupGroups,
  'measures of a time': rollupMeasures,
  'the oldest minute': oldestMinute,
  ...Object.fromEntries(rollupPrunes.map((statement) => [statement.name, statement])),
  'uses of keys': usesOf,
  'uses beyond those that are kept': usesBeyond,
};

if (server) {
  test('a look-up reads an index and never the whole table', async (t) => {
    const url = await server.database();
    const store = postgresStore({ url });
    await store.migrate();
    await store.close();
    const client = new Client({ connectionString: url });
    await client.connect();
    // Tables that are nearly empty would be read whole, and sorted, otherwise; now they are only where there is no other way.
    await client.query('SET enable_seqscan = off; SET enable_sort = off; SET plan_cache_mode = force_generic_plan');
    for (const [name, { text }] of Object.entries(statements)) {
      const count = Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)));
      await client.query(`PREPARE asked AS ${text}`);
      const values = Array.from({ length: count }, () => 'NULL').join(', ');
      const { rows } = await client.query<Record<string, string>>(
        `EXPLAIN EXECUTE asked${count > 0 ? `(${values})` : ''}`,
      );
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      await t.test(name, () => {
        assert.match(plan, /Index/);
        assert.doesNotMatch(plan, /Seq Scan/);
        if (name === 'active tokens') assert.doesNotMatch(plan, /Sort/, 'the index is in the order of the list');
      });
      await client.query('DEALLOCATE asked');
    }
    await client.end();
  });
}
