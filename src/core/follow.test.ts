import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { memoryStore } from '../stores/memory/store.ts';
import { follow, toRecords } from './follow.ts';
import { until } from '../../test/fixtures/until.ts';

const now = 1_800_000_000;

/** A follower of records of the kind 'thing', whose readings a test holds back or fails. */
function followed(t: TestContext, fault: string | null = null) {
  const store = memoryStore();
  const told: string[] = [];
  const world = { readings: 0, atOnce: 0, fault, hold: Promise.resolve() };
  const following = follow({
    store,
    concerns: toRecords('thing'),
    async read() {
      world.readings += 1;
      world.atOnce += 1;
      assert.equal(world.atOnce, 1, 'one reading at a time');
      await world.hold;
      world.atOnce -= 1;
      if (world.fault !== null) throw new Error(world.fault);
    },
    onFailure: (words) => told.push(words),
  });
  t.after(() => following.close());
  const put = (kind: string, id = 'a') => store.records.put({ kind, id, value: null, expiresAt: null }, null, now);
  return { world, told, following, put };
}

test('reads at once, and again after a change of its own', async (t) => {
  const { world, following, put } = followed(t);
  await until(() => following.behindSince() === null && world.readings === 1);
  await put('other');
  await put('thing-else');
  await put('thing');
  await until(() => world.readings === 2);
});

test('what changes during a reading is read once more, however often it did', async (t) => {
  const { world, following, put } = followed(t);
  await until(() => world.readings === 1);
  const held = Promise.withResolvers<void>();
  world.hold = held.promise;
  await put('thing', 'a');
  await until(() => world.readings === 2);
  for (const id of ['b', 'c', 'd']) await put('thing', id);
  assert.equal(following.behindSince(), null, 'it is being read');
  held.resolve();
  await until(() => world.readings === 3);
  await until(() => following.behindSince() === null);
  assert.equal(world.readings, 3);
});

test('what cannot be read is said once, counts as behind, and is read when it can be', async (t) => {
  const { world, told, following, put } = followed(t);
  await until(() => world.readings === 1 && world.atOnce === 0);
  world.fault = 'away';
  const before = performance.now();
  await put('thing');
  const after = performance.now();
  await until(() => world.readings >= 4);
  assert.deepEqual(told, ['away']);
  const since = following.behindSince();
  assert.ok(since !== null && since >= before && since <= after, 'behind since the change, however often it was tried');
  world.fault = null;
  await until(() => following.behindSince() === null);
});

test('a first reading that fails counts as behind: what changed before the watch began may be missing', async (t) => {
  const before = performance.now();
  const { world, told, following } = followed(t, 'away');
  await until(() => told.length === 1);
  const since = following.behindSince();
  assert.ok(since !== null && since >= before, `${since}`);
  world.fault = null;
  await until(() => following.behindSince() === null);
});

test('who has changed it waits until it is read, also where a reading was under way that fails', async (t) => {
  const { world, told, following } = followed(t);
  const held = Promise.withResolvers<void>();
  world.hold = held.promise;
  const first = following.reread();
  world.fault = 'away';
  held.resolve();
  await first;
  assert.deepEqual([world.readings, told], [2, ['away']]);
  world.hold = Promise.resolve();
  const failing = following.reread();
  world.fault = null;
  await following.reread();
  await failing;
  assert.equal(following.behindSince(), null);
});

test('nothing is read after the end', async (t) => {
  const { world, following, put } = followed(t);
  await until(() => world.readings === 1);
  following.close();
  await put('thing');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(world.readings, 1);
});
