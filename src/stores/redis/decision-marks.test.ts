import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { forThisFile, startRedis } from '../../../test/fixtures/databases.ts';
import { decisionRow, t0 } from '../store.fixtures.ts';
import { redisStore } from './store.ts';

const server = await forThisFile('decisions on Redis whose answers are lost', startRedis);

if (server) {
  test('rows whose answer was lost are kept and counted once when they are added again, with more behind them', async (t) => {
    const client = new Redis(server.url);
    t.after(async () => client.disconnect());
    for (const more of [0, 3]) {
      await client.flushall();
      const store = redisStore({ url: server.url, patienceMillis: 500 });
      t.after(() => store.close());
      await store.decisions.append([decisionRow(0)]);
      const rows = [1, 2, 3].map((second) => decisionRow(second));
      // It is read when the server goes on, and nobody waits for the answer any more.
      server.pause();
      await assert.rejects(store.decisions.append(rows));
      await assert.rejects(store.decisions.append(rows));
      server.resume();
      for (let number = 0; number < more; number += 1) rows.push(decisionRow(10 + number));
      for (;;)
        try {
          await store.decisions.append(rows);
          break;
        } catch {
          // Its connection is made anew.
        }
      await store.decisions.append([decisionRow(20)]);
      assert.equal(await client.xlen('countersign:decisions'), rows.length + 2);
      const { groups } = await store.decisions.rollups(t0, t0 + 60);
      assert.equal(
        groups.reduce((sum, { count }) => sum + count, 0),
        rows.length + 2,
      );
    }
  });

  test('a server that was emptied, or has forgotten who wrote, takes rows as before', async (t) => {
    const client = new Redis(server.url);
    const store = redisStore({ url: server.url });
    t.after(async () => {
      client.disconnect();
      await store.close();
    });
    for (const [written, kept] of [
      [null, 1],
      ['7', 2],
      ['words', 3],
    ] as const) {
      if (written === null) await client.flushall();
      const [writer] = await client.keys('countersign:decisions-writer:*');
      if (writer !== undefined && written !== null) await client.set(writer, written);
      await store.decisions.append([decisionRow(1)]);
      assert.equal(await client.xlen('countersign:decisions'), kept);
    }
    await client.flushall();
    await store.decisions.append([decisionRow(1)]);
    assert.equal(await client.xlen('countersign:decisions'), 1);
  });
}
