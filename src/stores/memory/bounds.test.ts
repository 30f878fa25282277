import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../core/store.ts';
import { decisionRow } from '../store.fixtures.ts';
import { memoryStore } from './store.ts';

const t0 = 1_800_000_000;

test('a full store refuses new one-time values rather than forgetting one', async () => {
  const { limits } = memoryStore({ limitsMax: 10 });
  for (let number = 0; number < 10; number += 1)
    assert.equal(await limits.once(`n${number}`, t0 + 60 + number, t0), true);
  await assert.rejects(limits.once('one more', t0 + 60, t0), (error) => hasCode(error, 'store_unavailable'));
  for (let number = 0; number < 10; number += 1) assert.equal(await limits.once(`n${number}`, t0 + 60, t0), false);
  assert.equal(await limits.once('one more', t0 + 120, t0 + 60), true, 'there is room once the first has expired');
  assert.equal(await limits.once('n1', t0 + 120, t0 + 60), false);
});

test('a full store forgets the counter whose window began first', async () => {
  const { limits } = memoryStore({ limitsMax: 3 });
  for (const key of ['a', 'b', 'c', 'd']) await limits.take(key, 1, 60, t0);
  assert.equal((await limits.peek('a', 1, t0)).count, 0);
  for (const key of ['b', 'c', 'd']) assert.equal((await limits.peek(key, 1, t0)).allowed, false);
});

test('the newest decisions are kept, and no more', async () => {
  const { decisions } = memoryStore({ decisionsMax: 100 });
  for (let number = 1; number <= 1000; number += 1) await decisions.append([decisionRow(number)]);
  const rows = await decisions.list({ limit: 5000 });
  assert.equal(rows.length, 100);
  assert.deepEqual([rows.at(0)?.requestId, rows.at(-1)?.requestId], ['r901', 'r1000']);
});

test('rows of nobody proven push out no others, between prunings either', async () => {
  const { decisions } = memoryStore({ decisionsMax: 100 });
  for (let number = 1; number <= 20; number += 1) await decisions.append([decisionRow(number)]);
  for (let number = 21; number <= 1000; number += 1)
    await decisions.append([decisionRow(number, { outcome: number % 2 === 0 ? 'deny' : 'public', principal: '' })]);
  const rows = await decisions.list({ limit: 5000 });
  assert.equal(rows.length, 70);
  assert.deepEqual([rows[0]?.requestId, rows[19]?.requestId, rows[20]?.requestId], ['r1', 'r20', 'r951']);
});
