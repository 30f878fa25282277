import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../../test/fixtures/until.ts';
import { StoreError } from '../../core/store.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { storeDuties } from './store-duties.ts';

test('what endangers the store from some time on is told once, and again when it comes back', async () => {
  const answers = [
    ['at the start'],
    ['at the start', '5 s ahead'],
    null,
    ['9 s ahead'],
    [],
    ['3 s ahead', 'at the start'],
  ];
  const store = memoryStore();
  const told: string[] = [];
  let asked = 0;
  store.warnings = async () => {
    const answer = answers[asked];
    asked += 1;
    if (answer === null) throw new StoreError('store_unavailable', 'away');
    return answer ?? [];
  };
  const duties = storeDuties({ store }, { warn: (text) => told.push(text), everyMillis: 1 });
  await until(() => asked > answers.length);
  await duties.close();
  assert.deepEqual(told, ['5 s ahead', '3 s ahead', 'at the start']);
});
