import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { decisionRow } from '../store.fixtures.ts';
import { openDatabase, type Database } from './database.ts';
import {
  decisionGroups,
  groupsBound,
  groupsNext,
  listing,
  pruneFirst,
  pruneNobodys,
  nobodysCount,
  pruneOld,
  sqliteDecisions,
} from './decisions.ts';
import { eventHead, eventListing, eventsPrune } from './events.ts';
import { keyByDigest, keyById, keysBehind } from './keys.ts';
import { limitByKey, limitsSweep, onceSweep, sqliteLimits } from './limits.ts';
import { migrate } from './migrate.ts';
import { expiredRecords, recordById, recordsBehind } from './records.ts';
import { oldestMinute, rollupGroups, rollupMeasures, rollupsPrune } from './rollups.ts';
import { newestTime, nextNumber, timeBefore } from './search-parts.ts';
import { tokenByHash, tokenById, tokensActive, tokensDelete } from './tokens.ts';
import { usesBeyond, usesOf } from './usage.ts';

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

test('active tokens are listed in the order of an index, and nothing is sorted', () => {
  const plan = database.durable.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${tokensActive}`);
  assert.deepEqual(
    plan.map(({ detail }) => detail),
    ['SCAN auth_tokens USING INDEX countersign_tokens_age'],
  );
});

describe('a look-up reads an index and never the whole table', () => {
  const lookUps = {
    'token by hash': tokenByHash,
    'token by id': tokenById,
    'active tokens': tokensActive,
    'expired tokens': tokensDelete,
    'end of a chain': eventHead,
    'events of a time': eventListing('events', { since: 1, until: 2, type: 'a', limit: 1 }).sql,
    'events behind a number': eventListing('events', { after: 1, actor: 'a', limit: 1 }).sql,
    'first events': eventsPrune,
    record: recordById,
    'records of a kind': recordsBehind,
    'ended records': expiredRecords,
    'key by digest': keyByDigest,
    'key by id': keyById,
    'the next keys': keysBehind,
    'limit by key': limitByKey,
    'ended limits': limitsSweep,
    'expired one-time values': onceSweep,
    'decisions of a time': listing({ since: 1, until: 2, outcome: 'deny', limit: 1 }).sql,
    'decisions of one service': listing({ since: 1, service: 'a', limit: 1 }).sql,
    'decisions behind a number': listing({ after: 1, limit: 1 }).sql,
    'newest decisions': listing({ limit: 1 }).sql,
    'decisions of a request within a time': listing({ since: 1, until: 2, requestId: 'a', limit: 1 }).sql,
    'decisions of a request between numbers': listing({ after: 1, requestId: 'a', limit: 1 }, 2).sql,
    'the bound of a time': newestTime,
    'the time before': timeBefore,
    'the bound of a number': nextNumber,
    'decisions in groups': decisionGroups,
    'a bound of groups': groupsBound,
    'the next time of groups': groupsNext,
    'old decisions': pruneOld,
    'first decisions': pruneFirst,
    'first decisions of nobody': pruneNobodys,
    'groups of a time': rollupGroups,
    'measures of a time': rollupMeasures,
    'the oldest minute': oldestMinute,
    'old groups': rollupsPrune('countersign_rollups'),
    'old measures': rollupsPrune('countersign_measures'),
    'uses of a key': usesOf,
    'uses beyond those that are kept': usesBeyond,
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

test('decisions of nobody are counted and found in an index of theirs alone', () => {
  for (const sql of [nobodysCount, pruneNobodys]) {
    const plan = database.durable.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`);
    const details = plan.map(({ detail }) => detail).join('\n');
    assert.match(details, /USING COVERING INDEX countersign_decisions_nobody/);
    assert.doesNotMatch(details, /TEMP B-TREE/);
  }
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

test('groups of many rows are the same as of few, and let others have their turn', async () => {
  const decisions = sqliteDecisions(database);
  // Many rows of one time, so that bounds fall among them.
  const rows = Array.from({ length: 30_000 }, (_, index) =>
    decisionRow(Math.floor(index / 7000), { service: `service-${index % 3}`, requestId: `r${index}` }),
  );
  await decisions.append(rows);
  const { result: groups, turns } = await withTurns(() => decisions.groups(0, Infinity));
  assert.deepEqual(
    groups.map(({ service, count, requestId }) => [service, count, requestId]).sort(),
    [0, 1, 2].map((number) => [`service-${number}`, 10_000, `r${29_997 + number}`]),
  );
  assert.ok(turns >= 3, `${turns} turns`);
  assert.equal(await decisions.prune(Infinity, 0), rows.length);
});

test('a request is looked for among many rows in turns', async () => {
  const decisions = sqliteDecisions(database);
  await decisions.append(Array.from({ length: 30_000 }, (_, index) => decisionRow(index)));
  for (const where of [{}, { after: 0 }]) {
    const { result, turns } = await withTurns(() => decisions.list({ requestId: 'r2', limit: 5, ...where }));
    assert.deepEqual(
      result.map(({ requestId }) => requestId),
      ['r2'],
    );
    assert.ok(turns >= 5, `${turns} turns`);
  }
  assert.equal(await decisions.prune(Infinity, 0), 30_000);
});

test('pruning many rows lets others have their turn', async () => {
  const decisions = sqliteDecisions(database);
  await decisions.append(Array.from({ length: 6000 }, (_, index) => decisionRow(index)));
  const { result, turns } = await withTurns(() => decisions.prune(Infinity, 0));
  assert.equal(result, 6000);
  assert.ok(turns >= 10, `${turns} turns`);
});

/** How often the event loop came round while the work was done. */
async function withTurns<T>(work: () => Promise<T>): Promise<{ result: T; turns: number }> {
  let turns = 0;
  let done = false;
  const turn = () => {
    turns += 1;
    if (!done) setImmediate(turn);
  };
  setImmediate(turn);
  const result = await work();
  done = true;
  return { result, turns };
}
