import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Change, Store } from '../core/store.ts';
import {
  t0,
  keyRecord,
  tokenRecord,
  useOf,
  decisionRow,
  recordOf,
  coded,
  changeEverything,
  type ContractGround,
} from './store.fixtures.ts';

export function watchingContract({ under, sharing }: ContractGround): void {
  describe('watching', () => {
    let store: Store;
    beforeEach(() => {
      ({ store } = under());
    });

    test('tells of every change made here, in order, by the time its promise resolves', async () => {
      const heard: string[] = [];
      store.watch(({ topic, id }) => heard.push(`${topic} ${id}`));
      await changeEverything(store);
      assert.deepEqual(heard, everyChange);
    });

    sharing('tells of every change made by another process', async () => {
      const heard: string[] = [];
      const complete = new Promise<void>((resolve) => {
        store.watch(({ topic, id }) => {
          heard.push(`${topic} ${id}`);
          if (heard.length >= everyChange.length) resolve();
        });
      });
      await changeEverything(under().another());
      await complete;
      assert.deepEqual(heard, everyChange);
    });

    test('is silent about what changes nothing', async () => {
      await store.keys.insert(keyRecord('a'));
      await store.keys.revoke('a', t0);
      const heard: Change[] = [];
      store.watch((change) => heard.push(change));
      await store.keys.revoke('a', t0);
      await store.keys.revoke('none', t0);
      await store.keys.revokeDigest(keyRecord('a').digest, t0);
      await store.tokens.revoke('none', t0);
      await assert.rejects(store.keys.insert(keyRecord('a')), coded('duplicate'));
      await store.keys.promote('a', t0);
      await store.keys.promote('none', t0);
      await store.keys.setExpiry('a', t0);
      await store.keys.setExpiry('none', t0);
      await store.records.put(recordOf('none'), 'stale', t0);
      await store.records.remove('ramp', 'none', 'stale', t0);
      await store.usage.add([useOf('a')]);
      await store.limits.take('k', 1, 60, t0);
      await store.decisions.append([decisionRow(1)]);
      assert.deepEqual(heard, []);
    });

    test('ends for one listener alone when it is stopped', async () => {
      const heard: string[] = [];
      const stop = store.watch(() => heard.push('first'));
      store.watch(() => heard.push('second'));
      await store.keys.revokeDigest('a', t0);
      stop();
      stop();
      await store.keys.revokeDigest('b', t0);
      assert.deepEqual(heard, ['first', 'second', 'second']);
    });

    test('survives a listener that throws, and so does the write', async () => {
      const heard: string[] = [];
      const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
      store.watch(() => {
        throw new Error('a slip of the listener');
      });
      store.watch(({ id }) => heard.push(id));
      await store.keys.revokeDigest('a', t0);
      assert.deepEqual(heard, ['a']);
      assert.match((await warned).message, /a slip of the listener/);
    });
  });
}

const everyChange = [
  'keys a',
  'keys b',
  'keys b',
  'keys a',
  'keys b',
  'keys a',
  `revocations ${keyRecord('a').digest}`,
  'revocations from-a-file',
  `tokens ${tokenRecord(1).tokenId}`,
  `tokens ${tokenRecord(1).tokenId}`,
  'modes embeddings',
  'modes *',
  'modes embeddings',
  'modes *',
  'records ramp/a/b',
  'records ramp/a/b',
];
