import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { decisionRow } from '../store.contract.ts';
import { openDatabase, type Database } from './database.ts';
import { decisionGroups, listing, pruneFirst, pruneOld, sqliteDecisions } from './decisions.ts';
import { keyByDigest, keyById } from './keys.ts';
import { limitByKey, limitsSweep, onceSweep, sqliteLimits } from './limits.ts';
import { migrate } from './migrate.ts';
import { tokenByHash, tokenById, tokensActive, tokensDelete } from './tokens.ts';

let folder: string;
let database: Database;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-look-ups-'));
  database = openDatabase(join(folder, 'state.db'));
  migrate(database, 0);
});
after(async () => {
  database.close();
  await rm(folder, { recursive: true });
});

describe('a look-up reads an index and never the whole table', () => {
  const lookUps = {
    'token by hash': tokenByHash,
    'token by id': tokenById,
    'active tokens': tokensActive,
    'expired tokens': tokensDelete,
    'key by digest': keyByDigest,
    'key by id': keyById,
    'limit by key': limitByKey,
    'ended limits': limitsSweep,
    'expired one-time values': onceSweep,
    'decisions of a time': listing({ since: 1, until: 2, outcome: 'deny', limit: 1 }).sql,
    'decisions of one service': listing({ since: 1, service: 'a', limit: 1 }).sql,
    'decisions behind a number': listing({ after: 1, limit: 1 }).sql,
    'newest decisions': listing({ limit: 1 }).sql,
    'decisions in groups': decisionGroups,
    'old decisions': pruneOld,
    'first decisions': pruneFirst,
  };
  for (const [name, sql] of Object.entries(lookUps)) {
    test(name, () => {
      const plan = database.durable.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`);
      const details = plan.map(({ detail }) => detail);
      assert.ok(details.length > 0);
      // A SCAN of g reads the groups that were made before; one in the order of a key or an index ends at the LIMIT.
      const ordered = sql.includes('LIMIT ?') && !details.some((detail) => detail.includes('TEMP B-TREE'));
      const scans = details.filter((detail) => detail.startsWith('SCAN') && detail !== 'SCAN g');
      if (!ordered) assert.deepEqual(scans, [], details.join('\n'));
    });
  }
});

test('decisions since a time are never looked for among older ones', () => {
  const { sql } = listing({ since: 1, service: 'embeddings', limit: 1 });
  const [plan] = database.durable.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`);
  assert.match(plan?.detail ?? '', /^SEARCH countersign_decisions USING INDEX countersign_decisions_time \(time>\?\)$/);
});

test('ended limits and expired one-time values leave the file as new ones come', async () => {
  const limits = sqliteLimits(database);
  for (let number = 0; number < 5000; number += 1) {
    await limits.take(`key-${number}`, 1, 10, number);
    await limits.once(`nonce-${number}`, number + 10, number);
  }
  for (const table of ['countersign_limits', 'countersign_once']) {
    const left = database.quick.get<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table}`)?.n ?? 0;
    assert.ok(left < 300, `${left} left in ${table}`);
  }
});

test('pruning many rows lets others have their turn', async () => {
  const decisions = sqliteDecisions(database);
  await decisions.append(Array.from({ length: 6000 }, (_, index) => decisionRow(index)));
  let turns = 0;
  let done = false;
  const turn = () => {
    turns += 1;
    if (!done) setImmediate(turn);
  };
  setImmediate(turn);
  assert.equal(await decisions.prune(Infinity, 0), 6000);
  done = true;
  assert.ok(turns >= 10, `${turns} turns`);
});
