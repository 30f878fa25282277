import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { ModeRow, Store } from '../core/store.ts';
import { t0, type ContractGround } from './store.fixtures.ts';

export function modesContract({ under }: ContractGround): void {
  describe('modes', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('are set and set anew', async () => {
      await store.modes.set(row('', 'report'));
      await store.modes.set(row('embeddings/embed', 'off'));
      await store.modes.set(row('', 'enforce', t0 + 1));
      assert.deepEqual(
        (await store.modes.list()).find(({ scope }) => scope === ''),
        row('', 'enforce', t0 + 1),
      );
      assert.deepEqual(scopesOf(await store.modes.list()), ['=enforce', 'embeddings/embed=off']);
    });

    test('set for all replace every row', async () => {
      await store.modes.set(row('', 'enforce'));
      await store.modes.set(row('embeddings', 'enforce'));
      await store.modes.setAll(row('', 'report', t0 + 1));
      assert.deepEqual(await store.modes.list(), [row('*', 'report', t0 + 1)]);
    });

    test('are cleared for one scope, for all, and of one mode only', async () => {
      const fill = async () => {
        await store.modes.clear(null);
        await store.modes.set(row('', 'enforce'));
        await store.modes.set(row('a', 'enforce'));
        await store.modes.set(row('b', 'report'));
      };
      await fill();
      await store.modes.clear('a');
      assert.deepEqual(scopesOf(await store.modes.list()), ['=enforce', 'b=report']);
      await store.modes.clear('b', 'enforce');
      assert.deepEqual(scopesOf(await store.modes.list()), ['=enforce', 'b=report']);
      await store.modes.clear('');
      assert.deepEqual(scopesOf(await store.modes.list()), ['b=report']);
      await fill();
      await store.modes.clear(null, 'enforce');
      assert.deepEqual(scopesOf(await store.modes.list()), ['b=report']);
      await store.modes.clear(null);
      assert.deepEqual(scopesOf(await store.modes.list()), []);
    });
  });
}

function row(scope: string, mode: ModeRow['mode'], setAt = t0): ModeRow {
  return { scope, mode, setAt, setBy: 'operator:admin' };
}

function scopesOf(rows: readonly ModeRow[]): string[] {
  return rows.map(({ scope, mode }) => `${scope}=${mode}`).sort();
}
