import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../../test/fixtures/until.ts';
import { StoreError } from '../../core/store.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { tokenRecord } from '../../stores/store.fixtures.ts';
import { tokenDuties } from './token-duties.ts';

const now = 1_800_000_000;
const clock = (): number => now;
const daySeconds = 86_400;

test('a server forgets tokens that ended more than 30 days ago, and no others', async () => {
  const store = memoryStore();
  const ends = [now - 31 * daySeconds, now - 29 * daySeconds, now + daySeconds];
  const records = ends.map((expiresAt, index) => tokenRecord(index + 1, { expiresAt }));
  for (const record of records) await store.tokens.insert(record);
  const duties = tokenDuties({ store, clock }, { warn: assert.fail, firstMillis: 0 });
  const [old, recent, live] = records.map(({ tokenId }) => tokenId) as [string, string, string];
  await until(async () => (await store.tokens.get(old)) === null);
  await duties.close();
  assert.deepEqual(await store.tokens.get(recent), records[1]);
  assert.deepEqual(await store.tokens.get(live), records[2]);
});

test('a store that is away is no news, and what else fails is told', async () => {
  const warnings: string[] = [];
  for (const error of [new StoreError('store_unavailable', 'away'), new Error('no such table')]) {
    const store = memoryStore();
    let asked = false;
    store.tokens.deleteExpired = () => {
      asked = true;
      return Promise.reject(error);
    };
    const duties = tokenDuties({ store, clock }, { warn: (text) => warnings.push(text), firstMillis: 0 });
    await until(() => asked);
    await duties.close();
  }
  assert.deepEqual(warnings, ['expired tokens could not be removed: no such table']);
});
