import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordsListedMax } from '../core/record.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { accounts } from './account.ts';
import { appointed } from './appoint.ts';

test('every account is listed, however many there are', async () => {
  const { records } = memoryStore();
  const known = accounts({ records, clock: () => 0 });
  for (let index = 0; index <= recordsListedMax; index += 1)
    await known.add(appointed(`a${index}`, 'viewer', 0).account);
  assert.equal((await known.list()).length, recordsListedMax + 1);
});
