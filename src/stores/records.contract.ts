import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Store } from '../core/store.ts';
import { t0, recordOf, coded, type ContractGround } from './store.fixtures.ts';

export function recordsContract({ under }: ContractGround): void {
  describe('records', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('are read as they were written, whatever JSON they hold', async () => {
      const value = {
        text: 'ä"\'\u{1f511}\u0000',
        numbers: [0, -1.5, 1e21, 9007199254740991],
        nothing: null,
        deep: { b: 1, a: [[]] },
      };
      const written = await store.records.put(recordOf('a', { value, expiresAt: t0 + 0.5 }), null, t0);
      assert.deepEqual(written && { ...written, revision: '' }, {
        ...recordOf('a', { value, expiresAt: t0 + 0.5 }),
        revision: '',
      });
      assert.deepEqual(await store.records.get('ramp', 'a', t0), written);
      assert.equal(await store.records.get('ramp', 'b', t0), null);
      assert.equal(await store.records.get('other', 'a', t0), null);
    });

    test('are written only over the revision that their writer has seen', async () => {
      const first = await store.records.put(recordOf('a'), null, t0);
      assert.equal(await store.records.put(recordOf('a', { value: 2 }), null, t0), null, 'there is one');
      const second = await store.records.put(recordOf('a', { value: 2 }), first?.revision ?? '', t0);
      assert.equal(second?.value, 2);
      assert.equal(
        await store.records.put(recordOf('a', { value: 3 }), first?.revision ?? '', t0),
        null,
        'it is stale',
      );
      assert.equal(await store.records.put(recordOf('none'), first?.revision ?? '', t0), null, 'there is none');
      assert.deepEqual(await store.records.get('ramp', 'a', t0), second);
    });

    test('are removed only at the revision that was seen, and what comes after is told from what was', async () => {
      const first = await store.records.put(recordOf('a'), null, t0);
      assert.equal(await store.records.remove('ramp', 'a', 'another', t0), false);
      assert.equal(await store.records.remove('ramp', 'a', first?.revision ?? '', t0), true);
      assert.equal(await store.records.remove('ramp', 'a', first?.revision ?? '', t0), false);
      const again = await store.records.put(recordOf('a'), null, t0);
      assert.notEqual(again?.revision, first?.revision);
      assert.equal(await store.records.put(recordOf('a'), first?.revision ?? '', t0), null);
    });

    test('are as if they had never been from their end on', async () => {
      const first = await store.records.put(recordOf('a', { expiresAt: t0 + 60 }), null, t0);
      assert.equal(await store.records.get('ramp', 'a', t0 + 60), null);
      assert.deepEqual(await store.records.list('ramp', t0 + 60), []);
      assert.equal(await store.records.remove('ramp', 'a', first?.revision ?? '', t0 + 60), false);
      assert.equal(await store.records.put(recordOf('a'), first?.revision ?? '', t0 + 60), null);
      const second = await store.records.put(recordOf('a', { value: 'anew' }), null, t0 + 60);
      assert.deepEqual(await store.records.get('ramp', 'a', t0 + 1e6), second);
    });

    test('that have ended are swept out, and no others', async () => {
      await store.records.put(recordOf('ended', { expiresAt: t0 + 1 }), null, t0);
      await store.records.put(recordOf('alive', { expiresAt: t0 + 9 }), null, t0);
      await store.records.put(recordOf('endless'), null, t0);
      assert.equal(await store.records.deleteExpired(t0 + 5), 1);
      assert.equal(await store.records.deleteExpired(t0 + 5), 0);
      const ids = (await store.records.list('ramp', t0)).map(({ id }) => id);
      assert.deepEqual(ids, ['alive', 'endless']);
    });

    test('are listed by kind and id, page by page', async () => {
      for (const id of ['b', 'a/2', 'B', 'a', '~', 'c'])
        await store.records.put(recordOf(id, { expiresAt: id === 'c' ? t0 + 1 : null }), null, t0);
      await store.records.put({ ...recordOf('a'), kind: 'ramp-other' }, null, t0);
      const page = async (options?: { after?: string; limit?: number }) =>
        (await store.records.list('ramp', t0 + 1, options)).map(({ id }) => id);
      assert.deepEqual(await page(), ['B', 'a', 'a/2', 'b', '~']);
      assert.deepEqual(await page({ limit: 2 }), ['B', 'a']);
      assert.deepEqual(await page({ after: 'a', limit: 2 }), ['a/2', 'b']);
      assert.deepEqual(await page({ after: '~' }), []);
      assert.deepEqual(await store.records.kinds(), ['ramp', 'ramp-other']);
    });

    test('let exactly one of 50 concurrent writers through, the first time and the next', async () => {
      const race = async (expected: string | null) => {
        const writers = Array.from({ length: 50 }, (_, value) =>
          store.records.put(recordOf('a', { value }), expected, t0),
        );
        return (await Promise.all(writers)).filter((written) => written !== null);
      };
      const [first, ...others] = await race(null);
      assert.deepEqual(others, []);
      assert.equal((await race(first?.revision ?? '')).length, 1);
    });

    test('refuse what nobody could read again', async () => {
      const refused = [
        { ...recordOf('a'), kind: 'Ramp/1' },
        recordOf(''),
        recordOf('with space'),
        recordOf('a'.repeat(513)),
        recordOf('a', { value: 'x'.repeat(262_144) }),
        recordOf('a', { value: undefined as never }),
        recordOf('a', { expiresAt: Number.NaN }),
      ];
      for (const entry of refused) await assert.rejects(store.records.put(entry, null, t0), coded('record_invalid'));
      assert.deepEqual(await store.records.list('ramp', t0), []);
    });
  });
}
