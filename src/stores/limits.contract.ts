import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Store } from '../core/store.ts';
import { t0, type ContractGround } from './store.fixtures.ts';

export function limitsContract({ under, remote }: ContractGround): void {
  describe('limits', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('let exactly as many of 200 concurrent callers through as there is room for', async () => {
      const states = await Promise.all(Array.from({ length: 200 }, () => store.limits.take('k', 7, 60, t0)));
      const allowed = states.filter((state) => state.allowed);
      assert.deepEqual(allowed.map(({ count }) => count).sort(), [1, 2, 3, 4, 5, 6, 7]);
      for (const state of states) assert.equal(state.retryAfter, 60);
      for (const state of states) if (!state.allowed) assert.equal(state.count, 7);
    });

    test('start a new window when the first has ended, not before', async () => {
      await store.limits.take('k', 1, 60, t0);
      assert.deepEqual(await store.limits.take('k', 1, 60, t0 + 59), { allowed: false, count: 1, retryAfter: 1 });
      assert.deepEqual(await store.limits.take('k', 1, 60, t0 + 60), { allowed: true, count: 1, retryAfter: 60 });
      assert.deepEqual(await store.limits.take('k', 1, 60, t0 + 90), { allowed: false, count: 1, retryAfter: 30 });
    });

    test('do not lengthen the window by refused attempts', async () => {
      for (let second = 0; second < 60; second += 1) await store.limits.take('k', 2, 60, t0 + second);
      assert.equal((await store.limits.take('k', 2, 60, t0 + 60)).allowed, true);
    });

    test('of different keys are apart, and a limit of none lets none through', async () => {
      await store.limits.take('a', 1, 60, t0);
      assert.equal((await store.limits.take('b', 1, 60, t0)).allowed, true);
      assert.equal((await store.limits.take('c', 0, 60, t0)).allowed, false);
    });

    test('are looked at without taking', async () => {
      assert.deepEqual(await store.limits.peek('k', 2, t0), { allowed: true, count: 0, retryAfter: 0 });
      await store.limits.take('k', 2, 60, t0);
      assert.deepEqual(await store.limits.peek('k', 2, t0 + 10), { allowed: true, count: 1, retryAfter: 50 });
      assert.deepEqual(await store.limits.peek('k', 2, t0 + 10), { allowed: true, count: 1, retryAfter: 50 });
      await store.limits.take('k', 2, 60, t0 + 10);
      assert.deepEqual(await store.limits.peek('k', 2, t0 + 10), { allowed: false, count: 2, retryAfter: 50 });
      assert.deepEqual(await store.limits.peek('k', 2, t0 + 60), { allowed: true, count: 0, retryAfter: 0 });
    });

    test('follow a limit that was changed within a window', async () => {
      for (let use = 0; use < 3; use += 1) await store.limits.take('k', 3, 60, t0);
      assert.deepEqual(await store.limits.take('k', 2, 60, t0), { allowed: false, count: 2, retryAfter: 60 });
      assert.deepEqual(await store.limits.take('k', 4, 60, t0), { allowed: true, count: 4, retryAfter: 60 });
    });
  });

  describe('one-time values', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('are granted to exactly one of 200 concurrent callers', async () => {
      const results = await Promise.all(Array.from({ length: 200 }, () => store.limits.once('nonce', t0 + 60, t0)));
      assert.equal(results.filter(Boolean).length, 1);
    });

    test('are refused until they expire, and free again after', async () => {
      assert.equal(await store.limits.once('nonce', t0 + 60, t0), true);
      assert.equal(await store.limits.once('other', t0 + 60, t0), true);
      assert.equal(await store.limits.once('nonce', t0 + 600, t0 + 59), false);
      assert.equal(await store.limits.once('nonce', t0 + 120, t0 + 60), true);
      assert.equal(await store.limits.once('nonce', t0 + 180, t0 + 119), false);
    });

    test('stay refused while thousands of others come and expire', async () => {
      assert.equal(await store.limits.once('nonce', t0 + 10_000, t0), true);
      const others = remote ? 200 : 1500;
      for (let first = 0; first < others; first += 50)
        await Promise.all(
          Array.from({ length: 50 }, async (_, index) => {
            const number = first + index;
            await store.limits.once(`other-${number}`, t0 + number + 1, t0 + number);
            await store.limits.take(`key-${number}`, 1, 1, t0 + number);
          }),
        );
      assert.equal(await store.limits.once('nonce', t0 + 10_000, t0 + others), false);
    });
  });
}
