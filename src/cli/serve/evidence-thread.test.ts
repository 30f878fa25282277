import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { rowWith } from '../../audit/audit.fixtures.ts';
import { storedDecisions, verifyDecisions } from '../../audit/chain/verify-decisions.ts';
import type { EventRow } from '../../core/event.ts';
import { hasCode } from '../../core/store.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import { evidenceThread } from './evidence-thread.ts';

const audit = {
  log: false,
  rows: true,
  retainSeconds: 86_400,
  retainRows: 1_000_000,
  retainEventsSeconds: 86_400,
  retainEventsCount: 100_000,
};

async function keptAside(t: TestContext, { migrated = true, lookMillis = 10_000 } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-evidence-'));
  const file = join(folder, 'state.db');
  const store = sqliteStore({ file });
  if (migrated) await store.migrate();
  const warnings: string[] = [];
  const thread = evidenceThread({ file, audit, lookMillis }, (text) => warnings.push(text));
  t.after(async () => {
    await thread.close();
    await store.close();
    await rm(folder, { recursive: true });
  });
  return { store, thread, warnings };
}

test('rows arrive as they were, and are in the file when append resolves', async (t) => {
  const { store, thread } = await keptAside(t);
  const rows = [
    rowWith({ requestId: 'one', skewSeconds: null, durationMicros: 3.1 + 0.2, time: 1_795_000_000.123 }),
    rowWith({
      requestId: 'two',
      skewSeconds: -0.5,
      note: 'für Ö\n',
      reason: 'expired',
      outcome: 'deny',
      principal: '',
    }),
  ];
  await thread.append(rows);
  const kept = await store.decisions.list({ limit: 10 });
  assert.deepEqual(
    kept,
    rows.map((row, index) => ({ ...row, sequence: index + 1 })),
  );
  const { groups } = await store.decisions.rollups(1_794_990_000, 1_796_000_000);
  assert.ok(groups.length > 0);
});

test('what is left is sealed at the end, and a row that is changed afterwards is located', async (t) => {
  const { store, thread, warnings } = await keptAside(t);
  await thread.append(Array.from({ length: 1200 }, (_, index) => rowWith({ requestId: `r${index}` })));
  await thread.close();
  const stand = await sealedStand(store);
  assert.deepEqual([stand.fault, stand.count, stand.unsealed], [null, 1200, 0]);
  assert.deepEqual(warnings, []);

  const read = storedDecisions(store.decisions);
  const changed = await verifyDecisions(
    {
      seals: () => seals(store),
      decisionsBehind: async (after, limit) =>
        (await read(after, limit)).map((row) => (row.sequence === 777 ? { ...row, principal: 'service:other' } : row)),
    },
    rowWith().time,
  );
  assert.equal(changed.fault?.kind, 'changed');
  assert.equal(changed.fault?.from, 777);
});

test('decisions are sealed while more of them come, and what was left by another server too', async (t) => {
  const { store, thread } = await keptAside(t, { lookMillis: 20 });
  await store.decisions.append(Array.from({ length: 600 }, () => rowWith()));
  thread.start();
  let sealed = 0;
  while (sealed < 1100) {
    await thread.append(Array.from({ length: 100 }, () => rowWith()));
    sealed = (await sealedStand(store)).count;
  }
});

test('a file that cannot be written is an outage, told as the store tells it, and over when it can', async (t) => {
  const { store, thread } = await keptAside(t, { migrated: false });
  await assert.rejects(thread.append([rowWith()]), (error) => hasCode(error, 'store_unavailable'));
  await store.migrate();
  await thread.append([rowWith()]);
  assert.equal((await store.decisions.list({ limit: 10 })).length, 1);
});

test('rows and roll-ups that are too old are removed there too', async (t) => {
  const { store, thread } = await keptAside(t);
  const { time } = rowWith();
  await thread.append([rowWith({ time: time - 5000 }), rowWith({ time })]);
  assert.equal(await thread.prune(time - 100, 10), 1);
  await thread.pruneRollups(time + 40 * 86_400);
  assert.deepEqual((await store.decisions.rollups(0, time + 3600)).groups, []);
  assert.equal((await store.decisions.list({ limit: 10 })).length, 1);
});

function sealedStand(store: ReturnType<typeof sqliteStore>) {
  return verifyDecisions(
    { seals: () => seals(store), decisionsBehind: storedDecisions(store.decisions) },
    rowWith().time,
  );
}

async function* seals({ events }: ReturnType<typeof sqliteStore>): AsyncIterable<EventRow> {
  yield* await events.list('decisions', { after: 0, limit: 1000 });
}

test('a thread that fails is an outage for who waits for it, and the operator hears why', async () => {
  const warnings: string[] = [];
  const thread = evidenceThread({ file: 7 as unknown as string, audit }, (text) => warnings.push(text));
  const refused = () => assert.rejects(thread.append([rowWith()]), (error) => hasCode(error, 'store_unavailable'));
  await refused();
  // Started anew.
  await refused();
  assert.equal(warnings.length, 2);
  await thread.close();
});
