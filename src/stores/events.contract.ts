import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { chainStart } from '../core/event.ts';
import type { Store } from '../core/store.ts';
import { t0, eventRow, hashOf, previousOf, type ContractGround } from './store.fixtures.ts';

export function eventsContract({ under }: ContractGround): void {
  describe('chains of events', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('are read as they were written: the newest ones, or those behind a number', async () => {
      assert.equal(await store.events.head('events'), null);
      const rows = [eventRow(1), eventRow(2, { type: 'mode.set', actor: 'ä"\'\u{1f511}' }), eventRow(3)];
      for (const link of rows) assert.equal(await store.events.append(link, previousOf(link)), true);
      const { sequence, time, hash } = eventRow(3);
      assert.deepEqual(await store.events.head('events'), { sequence, time, hash });
      assert.deepEqual(await store.events.list('events', { limit: 9 }), rows);
      assert.deepEqual(await store.events.list('events', { limit: 2 }), rows.slice(1));
      assert.deepEqual(await store.events.list('events', { after: 0, limit: 2 }), rows.slice(0, 2));
      assert.deepEqual(await store.events.list('events', { after: -Infinity, limit: 2 }), rows.slice(0, 2));
      assert.deepEqual(await store.events.list('events', { since: t0 + 2, until: t0 + 2, limit: 9 }), [rows[1]]);
      assert.deepEqual(await store.events.list('events', { type: 'mode.set', limit: 9 }), [rows[1]]);
      assert.deepEqual(await store.events.list('events', { actor: 'cli:root', after: 1, limit: 9 }), [rows[2]]);
      assert.deepEqual(await store.events.list('decisions', { limit: 9 }), []);
    });

    test('take a link only behind the very one that it names, and each chain for itself', async () => {
      assert.equal(await store.events.append(eventRow(2), hashOf(1)), false, 'there is no first one');
      assert.equal(await store.events.append(eventRow(1), hashOf(7)), false, 'it names one before the first');
      assert.equal(await store.events.append(eventRow(1), chainStart), true);
      assert.equal(await store.events.append(eventRow(1), chainStart), false, 'it is there already');
      assert.equal(await store.events.append(eventRow(2), hashOf(7)), false, 'it names another');
      assert.equal(await store.events.append(eventRow(3), hashOf(1)), false, 'one is left out');
      assert.equal(await store.events.append(eventRow(1, { chain: 'decisions' }), chainStart), true);
      assert.deepEqual(await store.events.list('events', { limit: 9 }), [eventRow(1)]);
    });

    test('let exactly one of 50 concurrent writers through', async () => {
      const race = (sequence: number) => {
        const rows = Array.from({ length: 50 }, (_, writer) => eventRow(sequence, { actor: `writer-${writer}` }));
        return Promise.all(rows.map((link) => store.events.append(link, previousOf(link))));
      };
      assert.equal((await race(1)).filter(Boolean).length, 1);
      assert.equal((await race(2)).filter(Boolean).length, 1);
      assert.equal((await store.events.list('events', { limit: 9 })).length, 2);
    });

    test('lose their beginning and go on where they were', async () => {
      for (const link of [1, 2, 3].map((sequence) => eventRow(sequence)))
        await store.events.append(link, previousOf(link));
      assert.equal(await store.events.prune('events', 2), 2);
      assert.equal(await store.events.prune('events', 2), 0);
      assert.equal(await store.events.append(eventRow(4), hashOf(3)), true);
      assert.deepEqual(await store.events.list('events', { limit: 9 }), [eventRow(3), eventRow(4)]);
    });
  });
}
