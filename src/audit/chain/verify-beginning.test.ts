/** What lies before the first seal that is kept: put in afterwards, or there as long as it may be. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { decisionRow } from '../../stores/store.fixtures.ts';
import { addLink, linkBehind } from './link.ts';
import { sealer } from './sealer.ts';
import { faultIn, self, sqliteBeside, t0 } from './tampering.fixtures.ts';
import { contentOf } from './verify-chain.ts';

const day = 86_400;

async function stack(t: TestContext, retainRows = 1000) {
  const { store, database } = await sqliteBeside(t);
  let [now, number] = [t0, 0];
  const { events, decisions } = store;
  const retain = { seconds: day, rows: retainRows };
  const work = sealer({ events, decisions, clock: () => now, self, retain, retainEvents: retain });
  return {
    store,
    work,
    pass: (seconds: number) => void (now += seconds),
    /** As a server does every few minutes. */
    async prune() {
      await decisions.prune(now - day, retainRows);
      await work.prune();
    },
    decide: (count: number, details = {}) =>
      decisions.append(Array.from({ length: count }, () => decisionRow((number += 1), { time: now, ...details }))),
    /** A copy of the newest decision, under another number. */
    putIn: (sequence: number) =>
      database.exec(`INSERT INTO countersign_decisions SELECT ${sequence}, time, outcome, reason, note, mode, service, route,
        method, path, principal, claimed, scheme, credential_id, client_address, skew_seconds, duration_micros, request_id
        FROM countersign_decisions ORDER BY sequence DESC LIMIT 1`),
    takeOut: (sequence: number) => database.exec(`DELETE FROM countersign_decisions WHERE sequence = ${sequence}`),
    /** As the versions before did: their checkpoints say nothing of decisions. */
    async forgetSeals(through: number) {
      const [end] = await events.list('decisions', { after: through - 1, limit: 1 });
      const detail = { removed_through: through, removed_hash: end?.hash ?? '', removed_count: through };
      const act = { type: 'seal.checkpoint', subject: '', detail } as const;
      await addLink({ events, clock: () => now }, 'decisions', (head, at) =>
        linkBehind('decisions', head, act, self, at),
      );
      await events.prune('decisions', through);
    },
  };
}

test('one that was put in where there was none when sealing began is found', async (t) => {
  const { store, work, decide, putIn, takeOut } = await stack(t);
  await decide(20);
  // From before there were seals.
  await store.decisions.prune(0, 10);
  await work.seal();
  assert.equal(await faultIn(store), null);
  putIn(10);
  const fault = await faultIn(store);
  assert.deepEqual([fault?.kind, fault?.from, fault?.to], ['inserted', 10, 10]);
  takeOut(10);
  assert.equal(await faultIn(store), null);
});

test('one that was put in where decisions and their seals have been removed since is found', async (t) => {
  const { store, work, decide, putIn, takeOut, pass, prune } = await stack(t);
  for (let round = 0; round < 4; round += 1) {
    await decide(20);
    await work.seal();
    pass(day);
    await prune();
  }
  assert.equal(await faultIn(store), null);
  await decide(20);
  await work.seal();
  assert.equal(await faultIn(store), null);
  for (const number of [0, 1, 20, 41, 60]) {
    putIn(number);
    assert.equal((await faultIn(store))?.from, number);
    takeOut(number);
  }
  assert.equal(await faultIn(store), null);
});

test('as long as a decision is there so is its seal, and both go together', async (t) => {
  const { store, work, decide, prune, pass } = await stack(t, 100);
  for (let round = 0; round < 3; round += 1) {
    await decide(50);
    await work.seal();
  }
  await prune();
  const [checkpoint] = await store.events.list('decisions', { type: 'seal.checkpoint', limit: 1 });
  assert.equal(contentOf(checkpoint?.text ?? '')?.detail?.['decisions_from'], 51);
  assert.equal((await store.events.list('decisions', { after: 0, limit: 9 }))[0]?.sequence, 2);
  assert.equal(await faultIn(store), null);
  pass(3 * day);
  await prune();
  assert.equal(await faultIn(store), null);
});

test('those that outlive a flood of strangers may be there without their seals', async (t) => {
  const { store, work, decide, prune } = await stack(t, 100);
  await decide(10);
  for (let round = 0; round < 5; round += 1) {
    await decide(100, { principal: '', outcome: 'deny' });
    await work.seal();
    await store.decisions.prune(t0 - day, 100);
  }
  await prune();
  assert.ok(((await store.events.list('decisions', { after: 0, limit: 1 }))[0]?.sequence ?? 0) > 1);
  assert.equal((await store.decisions.list({ after: 0, limit: 1 }))[0]?.sequence, 1);
  assert.equal(await faultIn(store), null);
});

test('behind a checkpoint of an older version nothing is said of them, and all is by number', async (t) => {
  const { store, work, decide, forgetSeals, putIn } = await stack(t);
  for (let round = 0; round < 3; round += 1) {
    await decide(10);
    await work.seal();
  }
  await forgetSeals(1);
  assert.equal(await faultIn(store), null, 'ten decisions have lost their seal');
  putIn(-1);
  assert.equal((await faultIn(store))?.from, -1);
});
