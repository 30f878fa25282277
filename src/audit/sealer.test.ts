/** Sealing goes on, whatever somebody put beside the chains in the database itself. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import type { Chain, EventRow } from '../core/event.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { sqliteStore } from '../stores/sqlite/store.ts';
import { decisionRow } from '../stores/store.contract.ts';
import { linkBehind, recordAct } from './link.ts';
import { sealer } from './sealer.ts';
import { faultIn, retain, self, t0 } from './tampering-fixtures.test.ts';
import { contentOf } from './verify-chain.ts';

async function stack(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-sealer-'));
  const file = join(folder, 'state.db');
  const store = sqliteStore({ file });
  await store.migrate();
  const database = new DatabaseSync(file);
  t.after(async () => {
    database.close();
    await store.close();
    await rm(folder, { recursive: true });
  });
  let now = t0;
  const { events, decisions } = store;
  const retainEvents = { seconds: 86_400, rows: 1000 };
  const work = sealer({ events, decisions, clock: () => now, self, retain, retainEvents });
  return {
    store,
    work,
    pass: (seconds: number) => void (now += seconds),
    sql: (text: string, ...values: SQLInputValue[]) => void database.prepare(text).run(...values),
    decide: (count: number, from = 0) =>
      decisions.append(Array.from({ length: count }, (_, at) => decisionRow(from + at, { time: now }))),
    put: ({ chain, sequence, time, type, actor, text, hash }: EventRow) =>
      void database
        .prepare('INSERT INTO countersign_events VALUES (?, ?, ?, ?, ?, ?, ?)')
        .run(chain, sequence, time, type, actor, text, hash),
  };
}

/** Well formed, of the future, and in no chain. */
function forged(chain: Chain, type: 'seal.decisions' | 'decisions.sealed', detail: Record<string, never | unknown>) {
  const head = { sequence: -2, time: t0 + 1e6, hash: '0'.repeat(64) };
  return linkBehind(chain, head, { type, subject: '', detail: detail as never }, self, t0);
}

test('a forged seal of the future does not end the sealing, and is found', async (t) => {
  const { store, work, decide, put, sql } = await stack(t);
  await decide(3);
  await work.seal();
  const [last, marks] = [1e15, `-${'x'.repeat(11)}`];
  const seal = { first: last, last, count: 1, digest: 'x', marks, gaps: [], earliest: t0, retain };
  put(forged('decisions', 'seal.decisions', seal));
  await decide(5, 3);
  assert.equal(await work.seal(), 5);
  assert.equal((await faultIn(store))?.kind, 'inserted');
  sql('DELETE FROM countersign_events WHERE sequence < 1');
  assert.equal(await faultIn(store), null);
  sql(`UPDATE countersign_decisions SET path = '/harmless' WHERE sequence = 7`);
  assert.equal((await faultIn(store))?.kind, 'changed');
});

test('sealing goes on behind the last seal, also where the chain ends with checkpoints', async (t) => {
  const { store, work, decide, pass } = await stack(t);
  for (let round = 0; round < 3; round += 1) {
    await decide(4, 4 * round);
    await work.seal();
    pass(3 * 86_400);
    await store.decisions.prune(t0 + round * 3 * 86_400, 1000);
    await work.prune();
  }
  const types = (await store.events.list('decisions', { limit: 99 })).map(({ type }) => type);
  assert.deepEqual(types.slice(-2), ['seal.decisions', 'seal.checkpoint']);
  await decide(4, 12);
  assert.equal(await work.seal(), 4);
  assert.equal(await faultIn(store), null);
});

test('a forged note of the future does not keep the next seal from being noted', async (t) => {
  const { store, work, decide, put } = await stack(t);
  await decide(3);
  await work.seal();
  const head = await store.events.head('decisions');
  await recordAct({ events: store.events, clock: () => t0 }, { type: 'server.started', subject: '' }, self);
  put(forged('events', 'decisions.sealed', { sequence: 1, hash: head?.hash ?? '', last: 3 }));
  await work.note();
  await work.note();
  const notes = await store.events.list('events', { type: 'decisions.sealed', after: 0, limit: 9 });
  assert.deepEqual(
    notes.map(({ text }) => contentOf(text)?.detail?.['hash']),
    [head?.hash],
  );
});

test('a link that was given another age does not take what is younger with it', async (t) => {
  const { store, work, sql, decide } = await stack(t);
  for (let round = 0; round < 20; round += 1) {
    await decide(1, round);
    await work.seal();
    await work.note();
  }
  sql(`UPDATE countersign_events SET time = 0 WHERE sequence = 19`);
  await work.prune();
  assert.equal((await store.events.list('events', { after: 0, limit: 99 })).length, 20);
  assert.equal((await faultIn(store))?.kind, 'changed');
});

test('decisions of a number that no server gives are not sealed, and do not keep others from being it', async (t) => {
  const { store, work, decide, sql } = await stack(t);
  await decide(3);
  const columns = `time, outcome, reason, note, mode, service, route, method, path, principal, claimed, scheme, credential_id,
    client_address, skew_seconds, duration_micros, request_id`;
  const copy = (number: string) =>
    sql(`INSERT INTO countersign_decisions (sequence, ${columns}) SELECT ${number}, ${columns} FROM countersign_decisions
      WHERE sequence = 1`);
  copy('-5');
  copy('9223372036854775806');
  assert.equal(await work.seal(), 3);
  await assert.rejects(work.seal(), /a number that no server gives; see: countersign audit verify/);
  assert.equal((await faultIn(store))?.kind, 'inserted');
  sql('DELETE FROM countersign_decisions WHERE sequence < 1');
  assert.equal((await faultIn(store))?.kind, 'inserted');
});

test('a whole batch that waits is seen by number, whatever the newest time is', async () => {
  const { events, decisions } = memoryStore();
  const work = sealer({ events, decisions, clock: () => t0, self, retain, retainEvents: retain });
  await decisions.append(Array.from({ length: 499 }, (_, at) => decisionRow(at)));
  assert.equal(await work.waiting(), false);
  await decisions.append([decisionRow(1, { time: 1 })]);
  assert.equal(await work.waiting(), true);
  await work.seal();
  assert.equal(await work.waiting(), false);
});
