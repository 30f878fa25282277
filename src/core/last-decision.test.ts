import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../stores/memory/store.ts';
import { decisionRow } from '../stores/store.fixtures.ts';
import { lastDecision } from './last-decision.ts';

test('is the one with the greatest number, whatever the times say, and is found by few questions', async () => {
  const { decisions } = memoryStore();
  assert.equal(await lastDecision(decisions), 0);
  for (let count = 1; count <= 40; count += 1) {
    await decisions.append([decisionRow(1, { time: count === 1 ? 9e9 : 1_800_000_000 - count })]);
    assert.equal(await lastDecision(decisions), count);
  }
  await decisions.append(Array.from({ length: 100_000 }, () => decisionRow(1)));
  let asked = 0;
  const counting = {
    ...decisions,
    list: (filter: Parameters<typeof decisions.list>[0]) => {
      asked += 1;
      return decisions.list(filter);
    },
  };
  assert.equal(await lastDecision(counting), 100_040);
  assert.ok(asked < 50, `${asked} questions`);
});

test('is bounded where somebody gave a number beyond all others', async () => {
  const { decisions } = memoryStore();
  const list: typeof decisions.list = async ({ after }) =>
    after === undefined || after < 2 ** 62 ? [{ ...decisionRow(1), sequence: after === undefined ? -1 : 2 ** 62 }] : [];
  assert.equal(await lastDecision({ ...decisions, list }), Number.MAX_SAFE_INTEGER);
});
