import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sealWith } from '../crypto/seal.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { createKey } from './create.ts';
import { deliverableSecrets } from './deliverable.ts';

test('a secret that does not open holds up only who wants it', async () => {
  const now = 1_800_000_000;
  const [seal, another] = [sealWith('ab'.repeat(32)), sealWith('cd'.repeat(32))];
  const store = memoryStore();
  const order = { kind: 'hs', expiresAt: null, now } as const;
  const { key } = await createKey(store, seal, { ...order, service: 'aidb' });
  await createKey(store, another, { ...order, service: 'mistyped' });
  const records = await store.keys.list();
  assert.deepEqual(deliverableSecrets(records, { seal, now, services: ['aidb', 'none'] }), new Map([['aidb', key]]));
  for (const services of [null, ['aidb', 'mistyped']])
    assert.throws(() => deliverableSecrets(records, { seal, now, services }), { code: 'seal_broken' });
});
