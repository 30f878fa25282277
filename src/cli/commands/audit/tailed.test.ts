import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { memoryStore } from '../../../stores/memory/store.ts';
import { decisionRow } from '../../../stores/store.fixtures.ts';
import { tailed } from './tailed.ts';

test('who follows what is seldom looks through new rows only, and misses none', async () => {
  const { decisions } = memoryStore();
  await decisions.append([decisionRow(1, { requestId: 'wanted' }), decisionRow(2)]);
  const askedAfter: number[] = [];
  const shown: number[] = [];
  const stop = new AbortController();
  const done = tailed(
    {
      async list(page) {
        if (page.after !== undefined) askedAfter.push(page.after);
        const rows = await decisions.list({ requestId: 'wanted', ...page });
        // Between the look at the rows and whatever is asked next.
        if (page.after === undefined) await decisions.append([decisionRow(3, { requestId: 'wanted' }), decisionRow(4)]);
        return rows;
      },
      newest: async () => (await decisions.list({ limit: 1 })).at(-1)?.sequence ?? 0,
      show: ({ sequence }) => void shown.push(sequence),
    },
    { limit: 20, following: true, pollMillis: 1, signal: stop.signal, isGone: () => false },
  );
  while (!askedAfter.includes(4)) await pause(1);
  await decisions.append([decisionRow(5), decisionRow(6, { requestId: 'wanted' })]);
  while (!askedAfter.includes(6)) await pause(1);
  stop.abort();
  assert.equal(await done, 3);
  assert.deepEqual(shown, [1, 3, 6]);
  assert.deepEqual([...new Set(askedAfter)], [2, 4, 6]);
});
