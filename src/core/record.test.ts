import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../stores/memory/store.ts';
import { changeRecord, eraseExpired, eraseRecord, everyRecord, recordsListedMax } from './record.ts';

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

const counter = { kind: 'counter', id: 'a', clock: () => 0 };

test('of many who change one record at once, none undoes what another did', async () => {
  const { records } = memoryStore();
  const one = (): Promise<boolean> =>
    changeRecord(records, counter, (before) => ({ value: Number(before?.value ?? 0) + 1, expiresAt: null }));
  assert.deepEqual(new Set(await Promise.all(Array.from({ length: 10 }, one))), new Set([true]));
  assert.equal((await records.get('counter', 'a', 0))?.value, 10);
});

test('a change that says nothing leaves the record as it was', async () => {
  const { records } = memoryStore();
  assert.equal(await changeRecord(records, counter, () => null), true);
  assert.equal(await records.get('counter', 'a', 0), null);
});

test('a record that goes on being written is given up, by who changes and by who erases it', async () => {
  const { records } = memoryStore();
  let writes = 0;
  const busy = {
    ...records,
    async get(kind: string, id: string, now: number) {
      const found = await records.get(kind, id, now);
      await records.put({ kind, id, value: (writes += 1), expiresAt: null }, found?.revision ?? null, now);
      return found ?? records.get(kind, id, now).then((made) => made && { ...made, revision: 'of before' });
    },
  };
  assert.equal(await changeRecord(busy, counter, () => ({ value: 'ours', expiresAt: null })), false);
  assert.equal(await eraseRecord(busy, 'counter', 'a', 0), false);
  assert.equal((await records.get('counter', 'a', 0))?.value, writes);
});

test('what has expired goes, however much of it there is', async () => {
  const { records } = memoryStore();
  for (let number = 0; number < 2500; number += 1)
    await records.put({ kind: 'code', id: `c${number}`, value: number, expiresAt: number < 2400 ? 5 : 50 }, null, 0);
  await eraseExpired(records, 10);
  assert.equal((await everyRecord(records, 'code', 0)).length, 100);
});
