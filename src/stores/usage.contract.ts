import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { usesKeptMax, type Store } from '../core/store.ts';
import { t0, useOf, type ContractGround } from './store.fixtures.ts';

export function usageContract({ under }: ContractGround): void {
  describe('uses of keys', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('add up by credential, caller and address: first, last and how often', async () => {
      await store.usage.add([useOf('a', { lastUsed: t0 + 5.25, count: 2 }), useOf('b', { clientAddress: '::1' })]);
      await store.usage.add([
        useOf('a', { firstUsed: t0 + 7, lastUsed: t0 + 9, count: 3 }),
        useOf('a', { firstUsed: t0 - 1.5, lastUsed: t0 - 1, count: 1 }),
        useOf('a', { caller: 'service:other ä"', lastUsed: t0 + 6 }),
      ]);
      await store.usage.add([]);
      const known = [
        useOf('a', { firstUsed: t0 - 1.5, lastUsed: t0 + 9, count: 6 }),
        useOf('a', { caller: 'service:other ä"', lastUsed: t0 + 6 }),
      ];
      assert.deepEqual(await store.usage.list(['a']), known);
      assert.deepEqual(await store.usage.list(['b', 'a', 'a', 'none']), [
        ...known,
        useOf('b', { clientAddress: '::1' }),
      ]);
      assert.deepEqual(await store.usage.list(), [...known, useOf('b', { clientAddress: '::1' })]);
      assert.deepEqual(await store.usage.list([]), []);
    });

    test('are kept of the places that were used last, so many for each credential', async () => {
      const places = Array.from({ length: usesKeptMax + 150 }, (_, number) =>
        useOf('leaked', { clientAddress: `10.0.${number >> 8}.${number & 255}`, lastUsed: t0 + number }),
      );
      await store.usage.add([useOf('quiet', { lastUsed: t0 - 1000, firstUsed: t0 - 1000 }), ...places]);
      const kept = await store.usage.list(['leaked']);
      assert.equal(kept.length, usesKeptMax);
      assert.deepEqual(kept, places.slice(-usesKeptMax).toReversed());
      assert.equal((await store.usage.list(['quiet'])).length, 1);
    });
  });
}
