import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { chainStart } from '../core/event.ts';
import type { Store } from '../core/store.ts';
import {
  t0,
  keyRecord,
  tokenRecord,
  useOf,
  decisionRow,
  eventRow,
  recordOf,
  coded,
  changeEverything,
  type ContractGround,
} from './store.fixtures.ts';

export function wholeContract({ under, sharing }: ContractGround): void {
  describe('as a whole', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('answers a ping, and migrates again without harm', async () => {
      await store.keys.insert(keyRecord('a'));
      assert.deepEqual(await store.schema(), { made: true, missing: [], adopts: null });
      assert.deepEqual(await store.migrate(), []);
      await store.ping();
      assert.deepEqual(await store.keys.list(), [keyRecord('a')]);
    });

    sharing('shares its state with another instance', async () => {
      const other = under().another();
      await changeEverything(store);
      await store.decisions.append([decisionRow(1)]);
      assert.deepEqual(await other.keys.list(), await store.keys.list());
      assert.deepEqual(await other.tokens.get(tokenRecord(1).tokenId), await store.tokens.get(tokenRecord(1).tokenId));
      assert.deepEqual(await other.decisions.list({ limit: 5 }), await store.decisions.list({ limit: 5 }));
      assert.equal(await store.limits.once('nonce', t0 + 60, t0), true);
      assert.equal(await other.limits.once('nonce', t0 + 60, t0), false);
      await store.limits.take('k', 1, 60, t0);
      assert.equal((await other.limits.take('k', 1, 60, t0)).allowed, false);
    });

    test('refuses every verb once closed, and closes twice without harm', async () => {
      await store.close();
      await store.close();
      const verbs: (() => Promise<unknown>)[] = [
        () => store.schema(),
        () => store.migrate(),
        () => store.ping(),
        () => store.keys.insert(keyRecord('a')),
        () => store.keys.get('a'),
        () => store.keys.byDigest('a'),
        () => store.keys.list(),
        () => store.keys.revoke('a', t0),
        () => store.keys.promote('a', t0),
        () => store.keys.setExpiry('a', t0),
        () => store.keys.revocations(),
        () => store.keys.revokeDigest('a', t0),
        () => store.tokens.insert(tokenRecord(1)),
        () => store.tokens.byHash('a'),
        () => store.tokens.get('a'),
        () => store.tokens.listActive(t0, 1),
        () => store.tokens.revoke('a', t0),
        () => store.tokens.deleteExpired(t0),
        () => store.modes.list(),
        () => store.modes.set({ scope: '', mode: 'off', setAt: t0, setBy: '' }),
        () => store.modes.setAll({ scope: '', mode: 'off', setAt: t0, setBy: '' }),
        () => store.modes.clear(null),
        () => store.limits.take('k', 1, 1, t0),
        () => store.limits.peek('k', 1, t0),
        () => store.limits.once('k', t0, t0),
        () => store.decisions.append([decisionRow(1)]),
        () => store.decisions.list({ limit: 1 }),
        () => store.decisions.groups(t0, t0),
        () => store.decisions.prune(t0, 1),
        () => store.decisions.rollups(t0, t0 + 60),
        () => store.decisions.pruneRollups(t0),
        () => store.usage.add([useOf('a')]),
        () => store.usage.list(),
        () => store.records.get('ramp', 'a', t0),
        () => store.records.list('ramp', t0),
        () => store.records.kinds(),
        () => store.records.put(recordOf('a'), null, t0),
        () => store.records.remove('ramp', 'a', 'x', t0),
        () => store.records.deleteExpired(t0),
        () => store.events.head('events'),
        () => store.events.append(eventRow(1), chainStart),
        () => store.events.list('events', { limit: 1 }),
        () => store.events.prune('events', 1),
      ];
      for (const verb of verbs) await assert.rejects(verb(), coded('store_unavailable'), String(verb));
    });

    test('what was asked for by text that nothing can hold is not there', async () => {
      await store.decisions.append([decisionRow(1)]);
      await store.events.append(eventRow(1), chainStart);
      for (const text of ['a\0b', '\0', '\ud800']) {
        for (const field of ['service', 'route', 'reason', 'caller'] as const)
          for (const after of [undefined, 0])
            assert.deepEqual(
              await store.decisions.list({ [field]: text, limit: 9, ...(after !== undefined && { after }) }),
              [],
              field,
            );
        for (const field of ['type', 'actor'] as const)
          assert.deepEqual(await store.events.list('events', { [field]: text, limit: 9 }), [], field);
      }
    });
  });
}
