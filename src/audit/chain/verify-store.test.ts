/** What was edited in the database itself, behind our back, is found and located. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { Client } from 'pg';
import { forThisFile, startPostgres } from '../../../test/fixtures/databases.ts';
import { storeSource } from '../../cli/commands/audit/source.ts';
import type { Act, Actor, ChainHead, EventRow } from '../../core/event.ts';
import type { Store } from '../../core/store.ts';
import { postgresStore } from '../../stores/postgres/store.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { linkBehind } from './link.ts';
import { sealer } from './sealer.ts';
import { verifyChain, type ChainFault } from './verify-chain.ts';
import { verifyDecisions } from './verify-decisions.ts';

const self: Actor = { id: 'server:here', via: 'server', from: 'here' };
const t0 = 1_800_000_000;
const folder = await mkdtemp(join(tmpdir(), 'countersign-verify-'));
after(() => rm(folder, { recursive: true }));
const postgres = await forThisFile('audits on Postgres', startPostgres);

function links(count: number): EventRow[] {
  const rows: EventRow[] = [];
  let head: ChainHead | null = null;
  for (let number = 1; number <= count; number += 1) {
    const act = { type: 'key.created', subject: `key-${number}`, detail: { service: 'aidb' } } as const;
    const row = linkBehind('events', head, act, self, t0 + number);
    rows.push(row);
    head = row;
  }
  return rows;
}

async function faultInEvents(store: Store, end: ChainHead): Promise<Omit<ChainFault, 'words' | 'chain'> | null> {
  const { fault } = await verifyChain({ rows: storeSource(store).links('events'), chain: 'events', expected: [end] });
  return fault && { kind: fault.kind, from: fault.from, to: fault.to };
}

/** SQL that both databases understand, and what is to be found. */
function tamperings(n: number, count: number): [string, string[], Omit<ChainFault, 'words' | 'chain'>][] {
  const where = `chain = 'events' AND sequence`;
  const one = (kind: ChainFault['kind'], at = n) => ({ kind, from: at, to: at });
  const move = (from: number, to: number) => `UPDATE countersign_events SET sequence = ${to} WHERE ${where} = ${from}`;
  return [
    [
      'a changed text',
      [`UPDATE countersign_events SET text = replace(text, 'aidb', 'evil') WHERE ${where} = ${n}`],
      one('changed'),
    ],
    ['a changed actor', [`UPDATE countersign_events SET actor = 'cli:nobody' WHERE ${where} = ${n}`], one('changed')],
    ['a deleted event', [`DELETE FROM countersign_events WHERE ${where} = ${n}`], one('missing')],
    ['two events that changed places', [move(n, -1), move(n + 1, n), move(-1, n + 1)], one('reordered')],
    [
      'an inserted event',
      [
        `UPDATE countersign_events SET sequence = -sequence - 1 WHERE ${where} > ${n}`,
        `UPDATE countersign_events SET sequence = -sequence WHERE ${where} < 0`,
        `INSERT INTO countersign_events SELECT chain, ${n + 1}, time, type, actor, text, hash FROM countersign_events WHERE ${where} = ${n}`,
      ],
      one('inserted'),
    ],
    [
      'an end that was cut off',
      [`DELETE FROM countersign_events WHERE ${where} >= ${n}`],
      { kind: 'truncated', from: n, to: count },
    ],
    [
      'a beginning that was cut off',
      [`DELETE FROM countersign_events WHERE ${where} <= ${n}`],
      { kind: 'missing', from: 1, to: n },
    ],
  ];
}

test('each tampering with one of 10,000 events in SQLite is found and located', async () => {
  const count = 10_000;
  const file = join(folder, 'events.db');
  const made = sqliteStore({ file });
  await made.migrate();
  await made.close();
  const rows = links(count);
  const database = new DatabaseSync(file);
  database.exec('BEGIN');
  const insert = database.prepare('INSERT INTO countersign_events VALUES (?, ?, ?, ?, ?, ?, ?)');
  for (const { chain, sequence, time, type, actor, text, hash } of rows)
    insert.run(chain, sequence, time, type, actor, text, hash);
  database.exec('COMMIT');
  database.close();
  for (const [name, statements, expected] of [...tamperings(7613, count), ...tamperings(2, count).slice(2, 5)]) {
    const copy = join(folder, 'tampered.db');
    await rm(copy, { force: true });
    await copyFile(file, copy);
    const tampered = new DatabaseSync(copy);
    for (const sql of statements) tampered.exec(sql);
    tampered.close();
    const store = sqliteStore({ file: copy });
    assert.deepEqual(await faultInEvents(store, rows.at(-1) as EventRow), expected, name);
    await store.close();
  }
  const untouched = sqliteStore({ file });
  assert.equal(await faultInEvents(untouched, rows.at(-1) as EventRow), null);
  await untouched.close();
});

if (postgres) {
  test('each tampering with one of the events in Postgres is found and located', async () => {
    const count = 2000;
    const url = await postgres.database();
    const store = postgresStore({ url });
    await store.migrate();
    const rows = links(count);
    const client = new Client({ connectionString: url });
    await client.connect();
    const columns = ['chain', 'sequence', 'time', 'type', 'actor', 'text', 'hash'] as const;
    await client.query(
      'INSERT INTO countersign_events SELECT * FROM unnest($1::text[], $2::bigint[], $3::float8[], $4::text[], $5::text[], $6::text[], $7::text[])',
      columns.map((column) => rows.map((row) => row[column])),
    );
    await client.query('CREATE TABLE kept AS SELECT * FROM countersign_events');
    for (const [name, statements, expected] of tamperings(1517, count)) {
      for (const sql of statements) await client.query(sql);
      assert.deepEqual(await faultInEvents(store, rows.at(-1) as EventRow), expected, name);
      await client.query('TRUNCATE countersign_events');
      await client.query('INSERT INTO countersign_events SELECT * FROM kept');
    }
    assert.equal(await faultInEvents(store, rows.at(-1) as EventRow), null);
    await client.end();
    await store.close();
  });
}

/** A store with sealed decisions, every tenth of them about a refused stranger. */
async function sealedStore(file: string, retainRows: number) {
  const store = sqliteStore({ file });
  await store.migrate();
  let now = t0;
  const work = sealer({
    events: store.events,
    decisions: store.decisions,
    clock: () => now,
    self,
    retain: { seconds: 86_400, rows: retainRows },
    retainEvents: { seconds: 86_400, rows: 1000 },
  });
  return {
    store,
    work,
    async decide(count: number, from = 0) {
      await store.decisions.append(
        Array.from({ length: count }, (_, at) => {
          const number = from + at;
          const stranger = number % 10 === 9 ? ({ principal: '', outcome: 'deny' } as const) : {};
          return { ...decisionRow(number), time: now, ...stranger };
        }),
      );
    },
    pass: (seconds: number) => void (now += seconds),
    async verified() {
      const source = storeSource(store);
      const chain = await verifyChain({ rows: source.links('decisions'), chain: 'decisions', expected: [] });
      assert.equal(chain.fault, null);
      return verifyDecisions({ seals: () => source.links('decisions'), decisionsBehind: source.decisionsBehind }, now);
    },
  };
}

test('a decision that was changed, removed, moved or put in is found and located to the row', async () => {
  const file = join(folder, 'decisions.db');
  const stack = await sealedStore(file, 10_000);
  await stack.decide(1700);
  assert.equal(await stack.work.seal(), 1700);
  await stack.decide(7, 1700);
  assert.deepEqual(await stack.verified(), { fault: null, count: 1700, removed: 0, unsealed: 7 });
  await stack.store.close();

  const set = (change: string, n: number) => `UPDATE countersign_decisions SET ${change} WHERE sequence = ${n}`;
  const cases: [string, string[], string, number][] = [
    ['an outcome', [set(`outcome = 'allow'`, 1010)], 'changed', 1010],
    ['a time', [set('time = time + 0.001', 3)], 'changed', 3],
    ['a number that rounding would hide', [set('duration_micros = duration_micros + 0.01', 1700)], 'changed', 1700],
    ['one less', ['DELETE FROM countersign_decisions WHERE sequence = 501'], 'missing', 501],
    ['one less at the end', ['DELETE FROM countersign_decisions WHERE sequence = 1700'], 'missing', 1700],
    ['one less of a stranger', ['DELETE FROM countersign_decisions WHERE sequence = 20'], 'missing', 20],
    [
      'two in each other’s place',
      [set('sequence = -1', 7), set('sequence = 7', 8), set('sequence = 8', -1)],
      'reordered',
      7,
    ],
    [
      'one in the place of one that was removed',
      ['DELETE FROM countersign_decisions WHERE sequence = 90', set('sequence = 90', 91)],
      'reordered',
      90,
    ],
  ];
  for (const [name, statements, kind, at] of cases) {
    const copy = join(folder, 'tampered-decisions.db');
    await rm(copy, { force: true });
    await copyFile(file, copy);
    const tampered = new DatabaseSync(copy);
    for (const sql of statements) tampered.exec(sql);
    tampered.close();
    const { store, verified } = await sealedStore(copy, 10_000);
    const { fault } = await verified();
    assert.deepEqual([fault?.kind, fault?.from, fault?.to], [kind, at, at], name);
    await store.close();
  }
});

test('a decision that was put in where none had been is found', async () => {
  const file = join(folder, 'gaps.db');
  const stack = await sealedStore(file, 10_000);
  await stack.decide(20);
  const before = new DatabaseSync(file);
  before.exec('DELETE FROM countersign_decisions WHERE sequence IN (5, 6)');
  before.close();
  await stack.work.seal();
  assert.deepEqual(await stack.verified(), { fault: null, count: 18, removed: 0, unsealed: 0 });
  const later = new DatabaseSync(file);
  later.exec('UPDATE countersign_decisions SET sequence = 6 WHERE sequence = 7');
  later.close();
  assert.equal((await stack.verified()).fault?.kind, 'inserted');
  await stack.store.close();
});

test('a seal that no server wrote is found, and ends the sealing aloud rather than in silence', async () => {
  const whole = {
    first: 31,
    last: 31,
    count: 1,
    digest: '0'.repeat(64),
    marks: `-${'A'.repeat(11)}`,
    gaps: [],
    earliest: t0,
  };
  const retain = { seconds: 86_400, rows: 1000 };
  const bogus: [string, Act['detail']][] = [
    ['nothing in it', {}],
    ['a last decision that never was', { ...whole, retain, last: 1e300 }],
    ['more decisions than are sealed together', { ...whole, retain, last: 1e9, count: 1e9 }],
    ['fewer marks than decisions', { ...whole, retain, last: 32, count: 2 }],
    ['a bound below nothing', { ...whole, retain: { seconds: -1, rows: 1000 } }],
  ];
  for (const [index, [name, detail = {}]] of bogus.entries()) {
    const { store, work, decide, verified } = await sealedStore(join(folder, `bogus-${index}.db`), 1000);
    await decide(30);
    await work.seal();
    const head = await store.events.head('decisions');
    const link = linkBehind('decisions', head, { type: 'seal.decisions', subject: '', detail }, self, t0);
    assert.ok(await store.events.append(link, head?.hash ?? ''));
    await decide(30, 30);
    const { fault } = await verified();
    assert.deepEqual([fault?.kind, fault?.from, fault?.to], ['inserted', link.sequence, link.sequence], name);
    await assert.rejects(work.seal(), /link 2 of the seals is none that a server wrote/, name);
    await store.close();
  }
});

test('decisions that are removed as they are to be leave the audit whole, and no other may go', async () => {
  const file = join(folder, 'pruned.db');
  const stack = await sealedStore(file, 1000);
  for (let round = 0; round < 3; round += 1) {
    await stack.decide(600, round * 600);
    await stack.work.seal();
  }
  await stack.store.decisions.prune(0, 1000);
  assert.deepEqual(await stack.verified(), { fault: null, count: 1000, removed: 800, unsealed: 0 });
  const tampered = new DatabaseSync(file);
  tampered.exec('DELETE FROM countersign_decisions WHERE sequence = 900');
  tampered.close();
  assert.deepEqual((await stack.verified()).fault?.from, 900);
  stack.pass(86_401);
  assert.equal((await stack.verified()).fault, null, 'a day later it had to go');
  await stack.store.close();
});

test('two servers that seal at once seal each decision once', async () => {
  const stack = await sealedStore(join(folder, 'twice.db'), 10_000);
  await stack.decide(1200);
  await Promise.all([stack.work.seal(), stack.work.seal(), stack.work.seal()]);
  await stack.work.seal();
  assert.deepEqual(await stack.verified(), { fault: null, count: 1200, removed: 0, unsealed: 0 });
  await stack.store.close();
});

test('old events and seals go behind a checkpoint, and both chains stay whole', async () => {
  const stack = await sealedStore(join(folder, 'old.db'), 1000);
  const { store, work } = stack;
  for (const row of links(30))
    await store.events.append(row, row.sequence === 1 ? '0'.repeat(64) : (links(row.sequence - 1).at(-1)?.hash ?? ''));
  await stack.decide(10);
  await work.seal();
  await work.note();
  await work.note();
  stack.pass(3 * 86_400);
  await store.decisions.prune(t0 + 2 * 86_400, 1000);
  await stack.decide(10, 10);
  await work.seal();
  await work.prune();
  for (const chain of ['events', 'decisions'] as const) {
    const stand = await verifyChain({ rows: storeSource(store).links(chain), chain, expected: [] });
    assert.equal(stand.fault, null);
    assert.ok((stand.first ?? 0) > 1, `${chain} begin later`);
  }
  assert.equal((await store.events.list('events', { type: 'decisions.sealed', limit: 9 })).length <= 1, true);
  assert.deepEqual((await stack.verified()).count, 10);
  await store.close();
});
