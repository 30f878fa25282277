import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyUse } from '../core/credential.ts';
import { StoreError, usesKeptMax, type UsageStore } from '../core/store.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { rowWith } from './audit.fixtures.ts';
import { keyUsage } from './key-usage.ts';

/** A store that can be away, and tells of the batches that reached it. */
function unsteady() {
  const { usage } = memoryStore();
  const state = { away: false, batches: [] as (readonly KeyUse[])[] };
  const store: UsageStore = {
    list: usage.list,
    async add(uses) {
      if (state.away) throw new StoreError('store_unavailable', 'away');
      state.batches.push(uses);
      await usage.add(uses);
    },
  };
  return { state, store };
}

test('a thousand requests of one key from one place are one write', async () => {
  const { state, store } = unsteady();
  const usage = keyUsage(store);
  for (let index = 0; index < 1000; index += 1) usage.decided(rowWith({ time: 100 + index }));
  usage.decided(rowWith({ time: 50, clientAddress: '10.0.0.8' }));
  assert.equal(state.batches.length, 0);
  await usage.flush();
  assert.equal(state.batches.length, 1);
  const { credentialId, principal: caller } = rowWith({});
  assert.deepEqual(await store.list(), [
    { credentialId, caller, clientAddress: '10.0.0.7', firstUsed: 100, lastUsed: 1099, count: 1000 },
    { credentialId, caller, clientAddress: '10.0.0.8', firstUsed: 50, lastUsed: 50, count: 1 },
  ]);
  await usage.close();
});

test('only what proves that somebody has a living key is a use', async () => {
  const { usage: store } = memoryStore();
  const usage = keyUsage(store);
  const denied = { outcome: 'deny' } as const;
  // Who has the key, even where a rule objected.
  for (const reason of ['not_allowed', 'insufficient_scope', 'address_not_allowed', 'tool_not_allowed', 'rate_limited'])
    usage.decided(rowWith({ ...denied, reason, credentialId: 'used' }));
  usage.decided(rowWith({ outcome: 'would_deny', reason: 'not_allowed', credentialId: 'used' }));
  usage.decided(rowWith({ principal: 'holder:embeddings', credentialId: 'file:embeddings_api_key' }));
  // Strangers, who may know its id, or have caught one of its signatures; dead keys; other credentials.
  for (const reason of ['invalid_credentials', 'invalid_signature', 'unknown_service'])
    usage.decided(rowWith({ ...denied, reason, principal: '', credentialId: 'used' }));
  for (const reason of ['replayed', 'timestamp_outside_window', 'invalid_signature', 'expired', 'revoked'])
    usage.decided(rowWith({ ...denied, reason, credentialId: 'used' }));
  usage.decided(rowWith({ outcome: 'public', principal: '', credentialId: '' }));
  usage.decided(rowWith({ principal: 'token:8a3c', credentialId: '8a3c' }));
  usage.decided(rowWith({ principal: 'operator:break-glass', credentialId: 'override' }));
  await usage.flush();
  const uses = (await store.list()).map(({ credentialId, count }) => [credentialId, count]).sort();
  assert.deepEqual(uses, [
    ['file:embeddings_api_key', 1],
    ['used', 6],
  ]);
  await usage.close();
});

test('what a store refused is added when it is back', async () => {
  const { state, store } = unsteady();
  const usage = keyUsage(store);
  state.away = true;
  usage.used('a', 'service:aidb', '10.0.0.7', 100);
  await usage.flush();
  usage.used('a', 'service:aidb', '10.0.0.7', 200);
  usage.used('b', 'service:web', '10.0.0.7', 150);
  await usage.flush();
  assert.deepEqual(await store.list(), []);
  state.away = false;
  await usage.close();
  assert.deepEqual(
    (await store.list()).map(({ credentialId, firstUsed, lastUsed, count }) => [
      credentialId,
      firstUsed,
      lastUsed,
      count,
    ]),
    [
      ['a', 100, 200, 2],
      ['b', 150, 150, 1],
    ],
  );
});

test('of too many places that which was used longest ago is let go, and not that which was there first', async () => {
  const { state, store } = unsteady();
  const usage = keyUsage(store);
  const used = (place: number, time: number) => usage.used('shared', 'service:web', `10.0.0.${place}`, time);
  for (let place = 0; place < usesKeptMax; place += 1) used(place, place);
  used(0, 1000);
  used(200, 1001);
  await usage.flush();
  const kept = state.batches.flat().map(({ clientAddress }) => clientAddress);
  assert.equal(kept.length, usesKeptMax);
  assert.ok(kept.includes('10.0.0.0') && kept.includes('10.0.0.200') && !kept.includes('10.0.0.1'));
  await usage.close();
});

test('what a store refused pushes out nothing that was used since', async () => {
  const kept: string[] = [];
  let refuses = true;
  const usage = keyUsage({
    list: async () => [],
    async add(uses) {
      if (!refuses) return void kept.push(...uses.map(({ clientAddress }) => clientAddress));
      refuses = false;
      for (let place = 0; place < usesKeptMax; place += 1) usage.used('shared', 'service:web', `10.0.0.${place}`, 100);
      throw new StoreError('store_unavailable', 'away');
    },
  });
  usage.used('shared', 'service:web', '10.0.1.1', 1);
  await usage.flush();
  await usage.close();
  assert.deepEqual([kept.length, kept.includes('10.0.1.1')], [usesKeptMax, false]);
});

test('a key in many hands crowds out neither the uses of others nor memory', async () => {
  const { state, store } = unsteady();
  const usage = keyUsage(store);
  usage.used('quiet', 'service:aidb', '10.0.0.7', 1);
  for (let index = 0; index < 50_000; index += 1)
    usage.used('leaked', 'service:web', `2001:db8::${index.toString(16)}`, index);
  await usage.flush();
  assert.equal(state.batches.flat().length, usesKeptMax + 1);
  assert.equal((await store.list(['quiet'])).length, 1);
  assert.equal((await store.list(['leaked']))[0]?.clientAddress, `2001:db8::${(49_999).toString(16)}`);
  await usage.close();
});
