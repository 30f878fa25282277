import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sealWith } from '../crypto/seal.ts';
import { listeners, resync } from '../stores/listeners.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { until } from '../../test/fixtures/until.ts';
import { createKey } from './create.ts';
import { keyring } from './keyring/keyring.ts';

const seal = sealWith('ab'.repeat(32));
const now = 1_800_000_000;

test('a store that comes back without keys and revocations that it had is told of, once', async (t) => {
  const feed = listeners();
  let keys = memoryStore().keys;
  const store = {
    ...memoryStore(),
    watch: feed.add,
    get keys() {
      return keys;
    },
  };
  await createKey(store, seal, { service: 'aidb', kind: 'sk', expiresAt: null, now });
  await store.keys.revokeDigest('a', now);
  const warned: string[] = [];
  const onWarning = (text: string): void => void warned.push(text);
  const ring = await keyring({ store, seal, sources: [], clock: () => now, onWarning });
  t.after(() => ring.close());
  const readAnew = async (): Promise<void> => {
    feed.tell(resync);
    await until(() => ring.behindSince() === null);
  };
  await store.keys.revokeDigest('b', now);
  feed.tell({ topic: 'revocations', id: 'b' });
  assert.deepEqual(warned, []);
  keys = memoryStore().keys;
  await readAnew();
  assert.equal(warned.length, 1);
  assert.match(warned[0] ?? '', /^the store has lost 1 key and 2 revocations .*revoke/);
  assert.equal(ring.size, 0);
  await readAnew();
  assert.equal(warned.length, 1);
});

test('a store that went back in time is told of as one in which revoked keys of its own live again', async (t) => {
  const feed = listeners();
  let current = memoryStore();
  const store = {
    ...current,
    watch: feed.add,
    get keys() {
      return current.keys;
    },
  };
  const { record } = await createKey(store, seal, { service: 'aidb', kind: 'sk', expiresAt: null, now });
  const older = memoryStore();
  await older.keys.insert(record);
  await store.keys.revoke(record.id, now);
  const warned: string[] = [];
  const ring = await keyring({
    store,
    seal,
    sources: [],
    clock: () => now,
    onWarning: (text) => void warned.push(text),
  });
  t.after(() => ring.close());
  current = older;
  feed.tell(resync);
  await until(() => ring.behindSince() === null);
  assert.equal(warned.length, 1);
  assert.match(warned[0] ?? '', /lost 0 keys and 1 revocation .*lives again where the store or a file has it/);
});
