/** What somebody wrote into Redis and cannot be read is found where it stands, and hides nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { forThisFile, startRedis } from '../../../test/fixtures/databases.ts';
import { redisStore } from '../../stores/redis/store.ts';
import { recordAct } from './link.ts';
import { faultIn, fill, self, t0 } from './tampering.fixtures.ts';

const redis = await forThisFile('unreadable rows on Redis', startRedis);
const unreadable = ['', '{', 'null', '{}', '[]', '1', '"x"', '[{"a":1}]', '[2,null,null,null,["x"],7]'];

if (redis) {
  const { url } = redis;

  test('a link, in place of another or beside it', async (t) => {
    const client = new Redis(url);
    t.after(() => client.disconnect());
    const store = redisStore({ url });
    t.after(() => store.close());
    for (const row of unreadable)
      for (const chain of ['events', 'decisions'] as const)
        for (const instead of [true, false]) {
          await client.flushall();
          await fill(store);
          const key = `countersign:events:${chain}`;
          const at = chain === 'events' ? 2 : 1;
          if (instead) await client.zremrangebyscore(key, at, at);
          await client.zadd(key, at, row);
          const fault = await faultIn(store);
          const name = `${chain} ${instead} ${row}: ${JSON.stringify(fault)}`;
          assert.deepEqual([fault?.chain, fault?.from], [chain, at], name);
          assert.match(fault?.kind ?? '', /^(?:changed|inserted)$/, name);
          for (const filter of [{ limit: 10 }, { limit: 10, after: 0 }])
            assert.ok((await store.events.list('events', filter)).length >= 3, name);
        }
  });

  test('a link that claims another number than it is kept under, however many are asked for', async (t) => {
    const client = new Redis(url);
    t.after(() => client.disconnect());
    const store = redisStore({ url });
    t.after(() => store.close());
    await client.flushall();
    await fill(store);
    for (let number = 4; number < 300; number += 1)
      await client.zadd('countersign:events:events', number, JSON.stringify([1e9 + number, t0, 'a', 'b', 'c', 'd']));
    assert.equal((await store.events.list('events', { limit: 10, type: 'key.created' })).length, 3);
    assert.deepEqual((await faultIn(store))?.from, 4);
  });

  test('a note of where the chain ends that is none keeps no event from being recorded, and shows', async (t) => {
    const client = new Redis(url);
    t.after(() => client.disconnect());
    const store = redisStore({ url });
    t.after(() => store.close());
    for (const held of ['', 'words', '7', 'NaN x 1', '-1 ab 1']) {
      await client.flushall();
      await fill(store);
      await client.set('countersign:events-head:events', held);
      await recordAct({ events: store.events, clock: () => t0 }, { type: 'key.created', subject: 'd' }, self);
      assert.equal((await store.events.list('events', { limit: 10 })).length, 4, held);
      assert.equal((await faultIn(store))?.kind, 'inserted', held);
    }
  });

  test('a decision whose number is none that is given, wherever a page ends', async (t) => {
    const client = new Redis(url);
    t.after(() => client.disconnect());
    const store = redisStore({ url });
    t.after(() => store.close());
    for (const odd of ['499-1', '18446744073709551615-0', '18446744073709551615-7']) {
      await client.flushall();
      await fill(store);
      const put = (id: string) => client.xadd('countersign:decisions', id, 'row', '{}');
      for (let number = 4; number < 500; number += 1) await put(`${number}-0`);
      // The five hundredth, with which a page ends.
      await put(odd);
      if (odd === '499-1') for (let number = 501; number < 700; number += 1) await put(`${number}-0`);
      const listed = await store.decisions.list({ after: 0, limit: 2000 });
      assert.equal(listed.length, await client.xlen('countersign:decisions'), odd);
      assert.equal((await faultIn(store))?.kind, 'inserted', odd);
    }
  });

  test('a decision, and what stands in the index by time and is no number', async (t) => {
    const client = new Redis(url);
    t.after(() => client.disconnect());
    const store = redisStore({ url });
    t.after(() => store.close());
    for (const row of [...unreadable, '{"path":7,"time":"x","note":{}}']) {
      await client.flushall();
      await fill(store);
      const [, ...others] = await client.xrange('countersign:decisions', '-', '+');
      await client.del('countersign:decisions');
      await client.xadd('countersign:decisions', '1-0', 'row', row);
      for (const [id, fields] of others) await client.xadd('countersign:decisions', id, ...fields);
      assert.equal((await faultIn(store))?.from, 1, row);
      await client.zadd('countersign:decisions-by-time', t0 + 1, 'words', t0 + 1, '000x');
      await client.zadd('countersign:decisions-strangers', 0, 'words');
      const listed = await store.decisions.list({ limit: 10 });
      for (const { path, note, time, skewSeconds } of listed)
        assert.deepEqual(
          [typeof path, typeof note, typeof time, skewSeconds === null || typeof skewSeconds === 'number'],
          ['string', 'string', 'number', true],
        );
      await store.decisions.prune(t0 + 2, 0);
      assert.equal(await client.xlen('countersign:decisions'), 0);
      assert.equal(await client.zcard('countersign:decisions-by-time'), 0);
    }
  });
}
