import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { StoreError, type DecisionRow, type DecisionStore } from '../core/store.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { rowWith } from './audit.fixtures.ts';
import { recorder, type RecorderOptions } from './recorder.ts';

const retain = { seconds: 86_400, rows: 1000 };

function recording(details: Partial<RecorderOptions> = {}) {
  const warnings: string[] = [];
  const { decisions } = memoryStore();
  const rows = recorder({
    store: decisions,
    retain,
    clock: () => 1_795_000_000,
    warn: (text) => warnings.push(text),
    ...details,
  });
  return { rows, warnings, kept: () => decisions.list({ limit: 100_000 }), decisions };
}

/** A store that can be away, and tells of the batches that reached it. */
function unsteady(): { store: DecisionStore; away: boolean; batches: DecisionRow[][] } {
  const { decisions } = memoryStore();
  const state: { store: DecisionStore; away: boolean; batches: DecisionRow[][] } = {
    away: false,
    batches: [],
    store: {
      ...decisions,
      async append(rows) {
        if (state.away) throw new StoreError('store_unavailable', 'away');
        state.batches.push([...rows]);
      },
    },
  };
  return state;
}

test('rows reach the store in order and in batches, not in the tick of the request', async () => {
  const state = unsteady();
  const { rows } = recording({ store: state.store });
  for (let index = 0; index < 1200; index += 1) rows.add(rowWith({ requestId: `r${index}` }));
  assert.equal(state.batches.length, 0);
  await rows.flush();
  assert.deepEqual(
    state.batches.map((batch) => batch.length),
    [500, 500, 200],
  );
  assert.deepEqual(
    state.batches.flat().map((row) => row.requestId),
    Array.from({ length: 1200 }, (_, index) => `r${index}`),
  );
  await rows.close();
});

test('rows that a store refused are written when it is back, once each', async () => {
  const state = unsteady();
  const { rows, warnings } = recording({ store: state.store });
  state.away = true;
  for (let index = 0; index < 700; index += 1) rows.add(rowWith({ requestId: `r${index}` }));
  await rows.flush();
  assert.equal(rows.dropped, 0);
  state.away = false;
  await rows.flush();
  assert.equal(state.batches.flat().length, 700);
  assert.deepEqual(warnings, []);
  await rows.close();
});

test('a store that goes on refusing rows is told of once, with its reason, and so is the end of it', async () => {
  const state = unsteady();
  const { rows, warnings } = recording({ store: state.store });
  state.away = true;
  rows.add(rowWith());
  await rows.flush();
  assert.equal(rows.waiting, false, 'it may be a moment');
  for (let attempt = 0; attempt < 8; attempt += 1) await rows.flush();
  assert.deepEqual(warnings, ['decisions wait, 20000 at most: away (requests are not held up)']);
  assert.equal(rows.waiting, true);
  state.away = false;
  await rows.flush();
  assert.equal(rows.waiting, false);
  await rows.flush();
  assert.deepEqual(warnings.slice(1), ['decisions are being kept again; none of those that waited was lost']);
  await rows.close();
});

test('beyond the bound rows are dropped with a count and one line, and a second line tells the sum', async () => {
  const state = unsteady();
  const { rows, warnings } = recording({ store: state.store, queueMax: 100 });
  state.away = true;
  for (let index = 0; index < 150; index += 1) rows.add(rowWith());
  await rows.flush();
  assert.equal(rows.dropped, 50);
  assert.equal(warnings.length, 1);
  state.away = false;
  await rows.flush();
  assert.equal(state.batches.flat().length, 100);
  assert.equal(warnings.length, 2);
  assert.match(warnings[1] ?? '', /50 were lost/);
  await rows.close();
});

test('a row that the store can never hold is left out and counted, and holds up none behind it', async () => {
  const state = unsteady();
  const { append } = state.store;
  const store: DecisionStore = {
    ...state.store,
    async append(batch, measures) {
      if (batch.some(({ path }) => path.includes('\u0141')))
        throw new StoreError('store_unavailable', 'no such letter', { unstorable: true });
      return append(batch, measures);
    },
  };
  const told: number[] = [];
  const { rows, warnings } = recording({ store, onDropped: (count) => told.push(count) });
  for (let index = 0; index < 1200; index += 1)
    rows.add(rowWith({ requestId: `r${index}`, path: [77, 700, 701].includes(index) ? '/\u0141' : '/embed' }));
  await rows.flush();
  const kept = state.batches.flat().map(({ requestId }) => requestId);
  assert.deepEqual(
    kept,
    Array.from({ length: 1200 }, (_, index) => `r${index}`).filter((id) => !['r77', 'r700', 'r701'].includes(id)),
  );
  assert.equal(rows.dropped, 3);
  assert.equal(
    told.reduce((sum, count) => sum + count, 0),
    3,
  );
  assert.match(warnings[0] ?? '', /^a decision is left out \(request r77\): no such letter/);
  assert.equal(rows.waiting, false);
  await rows.close();
});

test('the timer writes what waits, and tries again by itself after an outage', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const state = unsteady();
  const { rows } = recording({ store: state.store });
  state.away = true;
  rows.add(rowWith());
  t.mock.timers.tick(100);
  await rows.flush();
  assert.equal(state.batches.length, 0);
  state.away = false;
  t.mock.timers.tick(5000);
  await setImmediate();
  await setImmediate();
  assert.equal(state.batches.flat().length, 1);
  await rows.close();
});

test('how long answers took is kept with the next rows, once, and at the end without any', async () => {
  const { decisions } = memoryStore();
  let away = true;
  const store: DecisionStore = {
    ...decisions,
    async append(rows, measures) {
      if (away) throw new StoreError('store_unavailable', 'away');
      await decisions.append(rows, measures);
    },
  };
  let time = 1_795_000_000;
  const { rows } = recording({ store, clock: () => time });
  rows.answered('embeddings', 20_000);
  rows.answered('embeddings', 20_500);
  rows.add(rowWith());
  await rows.flush();
  rows.answered('embeddings', 900_000);
  away = false;
  await rows.flush();
  time += 60;
  rows.answered('aidb', 400);
  await rows.close();
  const { measures } = await decisions.rollups(1_794_999_960, 1_795_000_140);
  assert.deepEqual(
    measures
      .filter(({ kind }) => kind === 'answer')
      .map(({ start, name, count, least, most }) => [start, name, count, least, most]),
    [
      [1_794_999_960, 'embeddings', 2, 20_000, 20_500],
      [1_794_999_960, 'embeddings', 1, 900_000, 900_000],
      [1_795_000_020, 'aidb', 1, 400, 400],
    ],
  );
});

test('closing writes what waits; what cannot be written is counted', async () => {
  const kept = recording();
  kept.rows.add(rowWith());
  await kept.rows.close();
  assert.equal((await kept.kept()).length, 1);
  assert.equal(kept.rows.dropped, 0);

  const state = unsteady();
  state.away = true;
  const lost = recording({ store: state.store });
  lost.rows.add(rowWith());
  await lost.rows.close();
  assert.equal(lost.rows.dropped, 1);
  lost.rows.add(rowWith());
  assert.equal(lost.rows.dropped, 2);
});

test('rows too old or too many are removed in the background', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { decisions } = memoryStore();
  let pruned: (() => void) | null = null;
  const done = new Promise<void>((resolve) => (pruned = resolve));
  const store: DecisionStore = {
    ...decisions,
    async prune(before, keep) {
      const count = await decisions.prune(before, keep);
      pruned?.();
      return count;
    },
  };
  const rows = recorder({
    store,
    retain: { seconds: 100, rows: 2 },
    clock: () => 1_795_000_000,
    warn: () => undefined,
  });
  for (const age of [500, 90, 60, 30]) rows.add(rowWith({ time: 1_795_000_000 - age, requestId: `${age}` }));
  await rows.flush();
  t.mock.timers.tick(60_000);
  await done;
  assert.deepEqual(
    (await decisions.list({ limit: 10 })).map((row) => row.requestId),
    ['60', '30'],
  );
  await rows.close();
});
