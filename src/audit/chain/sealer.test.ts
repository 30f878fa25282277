/** Sealing goes on, whatever somebody put beside the chains in the database itself. */
import assert from 'node:assert/strict';
import type { SQLInputValue } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import type { Chain, EventRow } from '../../core/event.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { linkBehind, recordAct } from './link.ts';
import { sealer } from './sealer.ts';
import { faultIn, retain, self, sqliteBeside, t0 } from './tampering.fixtures.ts';
import { contentOf, verifyChain } from './verify-chain.ts';

async function stack(t: TestContext) {
  const { store, database } = await sqliteBeside(t);
  let now = t0;
  const { events, decisions } = store;
  const retainEvents = { seconds: 86_400, rows: 1000 };
  const work = sealer({ events, decisions, clock: () => now, self, retain, retainEvents });
  return {
    store,
    work,
    pass: (seconds: number) => void (now += seconds),
    sql(text: string, ...values: SQLInputValue[]) {
      const statement = database.prepare(text);
      // As in the store: the number of a forged row may be too great for a JavaScript number.
      statement.setReadBigInts(true);
      statement.run(...values);
    },
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
  await decide(1, 3);
  assert.equal((await store.decisions.list({ limit: 9 })).length, 5);
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

test('a decision that claims a great age does not let its neighbours go before their time', async (t) => {
  const { store, work, decide, sql } = await stack(t);
  await decide(3);
  await store.decisions.append([decisionRow(9, { time: 0 })]);
  await decide(3, 3);
  assert.equal(await work.seal(), 7);
  sql('DELETE FROM countersign_decisions WHERE sequence = 4');
  assert.equal(await faultIn(store), null, 'it was too old from the start');
  for (const number of [6, 2]) {
    sql('DELETE FROM countersign_decisions WHERE sequence = ?', number);
    assert.equal((await faultIn(store))?.from, number);
  }
});

test('a seal over what is sealed already, or with numbers that do not add up, is none that a server wrote', async (t) => {
  const { store, work, decide, sql } = await stack(t);
  await decide(6);
  await work.seal();
  const [seal] = await store.events.list('decisions', { after: 0, limit: 1 });
  const made = contentOf(seal?.text ?? '');
  const whole = { ...made?.detail, first: 7, last: 12, earliest: 0 };
  const forgeries = [
    { first: 2, last: 7, earliest: 0 },
    { ...whole, last: 1e15 },
    { ...whole, gaps: [[9, 10]] },
  ];
  for (const detail of forgeries) {
    const head = await store.events.head('decisions');
    const act = { type: 'seal.decisions', subject: '', detail: { ...whole, ...detail } as never } as const;
    const link = linkBehind('decisions', head, act, self, t0);
    assert.ok(await store.events.append(link, head?.hash ?? ''));
    const fault = await faultIn(store);
    assert.deepEqual([fault?.kind, fault?.from], ['inserted', link.sequence], JSON.stringify(detail));
    if (detail !== forgeries[0]) await assert.rejects(work.seal(), /none that a server wrote/);
    sql('DELETE FROM countersign_events WHERE hash = ?', link.hash);
  }
});

test('a skew where there was none is found, also one without end', async (t) => {
  const { store, work, decide, sql } = await stack(t);
  await decide(3);
  await work.seal();
  sql('UPDATE countersign_decisions SET skew_seconds = 9e999 WHERE sequence = 2');
  assert.equal((await faultIn(store))?.from, 2);
});

test('a decision with a time that is none does not make a seal that nobody believes', async (t) => {
  const { store, work, decide, sql } = await stack(t);
  for (const [round, time] of [`'later'`, `''`, `x'00'`, '9e999', '-9e999'].entries()) {
    await decide(4, 4 * round);
    sql(`UPDATE countersign_decisions SET time = ${time} WHERE sequence = ${4 * round + 1}`);
    sql(`UPDATE countersign_decisions SET time = 0 WHERE sequence = ${4 * round + 2}`);
    assert.equal(await work.seal(), 4);
    assert.equal(await faultIn(store), null);
  }
  sql('DELETE FROM countersign_decisions WHERE sequence = 20');
  assert.equal((await faultIn(store))?.from, 20);
});

for (const [how, retainEvents, kept] of [
  ['by age', { seconds: 86_400, rows: 1000 }, 8],
  ['by number', { seconds: 365 * 86_400, rows: 5 }, 5],
] as const)
  test(`events are kept ${how}, and what is left can be verified: a checkpoint tells of the rest`, async () => {
    const { events, decisions } = memoryStore();
    let now = t0;
    const work = sealer({ events, decisions, clock: () => now, self, retain, retainEvents });
    for (let number = 0; number < 20; number += 1) {
      if (number === 12) now += 2 * 86_400;
      await recordAct({ events, clock: () => now }, { type: 'key.created', subject: `key-${number}` }, self);
    }
    await work.prune();
    const rows = await events.list('events', { after: 0, limit: 100 });
    assert.deepEqual(
      rows.map(({ sequence }) => sequence),
      [...Array.from({ length: kept }, (_, at) => 20 - kept + 1 + at), 21],
    );
    const told = contentOf(rows.at(-1)?.text ?? '');
    assert.deepEqual([told?.type, told?.detail?.['removed_through']], ['audit.checkpoint', 20 - kept]);
    assert.equal((await verifyChain({ rows, chain: 'events', expected: [] })).fault, null);
    const untold = rows.slice(0, -1);
    assert.equal((await verifyChain({ rows: untold, chain: 'events', expected: [] })).fault?.kind, 'missing');
  });
