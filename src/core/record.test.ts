import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../stores/memory/store.ts';
import { everyRecord, recordsListedMax } from './record.ts';

test('every record of a kind is found, however many pages they fill', async () => {
  const { records } = memoryStore();
  assert.deepEqual(await everyRecord(records, 'client', 0), []);
  for (const count of [recordsListedMax, recordsListedMax + 1]) {
    for (let number = 0; number < count; number += 1)
      await records.put({ kind: 'client', id: `c${number}`, value: number, expiresAt: null }, null, 0);
    const found = await everyRecord(records, 'client', 0);
    assert.equal(new Set(found.map(({ id }) => id)).size, count);
    assert.equal(found.length, count);
  }
});
