/** What another program wrote under our names: it is worked around, or named; nothing is done by halves. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Redis } from 'ioredis';
import { hasCode, type Store } from '../../core/store.ts';
import { forThisFile, startRedis } from '../../../test/fixtures/databases.ts';
import { until } from '../../../test/fixtures/until.ts';
import { decisionRow, keyRecord, t0, tokenRecord } from '../store.fixtures.ts';
import { redisStore } from './store.ts';

const server = await forThisFile('Redis in which others write', startRedis);

if (server) {
  const { url } = server;
  const greatest = '18446744073709551615-18446744073709551615';

  async function emptied(t: TestContext): Promise<{ store: Store; client: Redis }> {
    const client = new Redis(url);
    await client.flushall();
    const store = redisStore({ url });
    t.after(async () => {
      client.disconnect();
      await store.close();
    });
    return { store, client };
  }

  const numbersOf = async (store: Store): Promise<number[]> =>
    (await store.decisions.list({ after: -Infinity, limit: 100 })).map(({ sequence }) => sequence);

  test('a decision under a number behind which there is none is put aside, and told of', async (t) => {
    for (const ids of [[greatest], [greatest, 'gone'], ['4503599627370497-3', '9007199254740993-0', greatest]]) {
      const { store, client } = await emptied(t);
      await store.decisions.append([decisionRow(1), decisionRow(2)]);
      for (const id of ids)
        if (id === 'gone') await client.xdel('countersign:decisions', greatest);
        else await client.xadd('countersign:decisions', id, 'row', '{"note":"put in"}', 'more', '1');
      await store.decisions.append([decisionRow(3)]);
      await store.decisions.append([decisionRow(4)]);
      assert.deepEqual(await numbersOf(store), [1, 2, 3, 4], ids.join());
      const aside = await client.lrange('countersign:decisions-displaced', 0, -1);
      const expected = ids.includes('gone') ? [] : ids;
      assert.deepEqual(
        aside,
        expected.map((id) => `${id} ["row","{\\"note\\":\\"put in\\"}","more","1"]`),
      );
      const warned = (await store.warnings()).filter((words) => words.includes('countersign:decisions-displaced'));
      assert.equal(warned.length, expected.length === 0 ? 0 : 1);
    }
  });

  test('a number far ahead is gone on behind, and so is the last one where its counter is lost or changed', async (t) => {
    const { store, client } = await emptied(t);
    await store.decisions.append([decisionRow(1), decisionRow(2)]);
    await client.xadd('countersign:decisions', '70-5', 'row', '{}');
    await store.decisions.append([decisionRow(3)]);
    const all = [1, 2, 70.5, 71];
    assert.deepEqual(await numbersOf(store), all);
    for (const written of [null, '', 'words', '3', '-1', '2.5', '9007199254740993', '1e300', 'nan']) {
      if (written === null) await client.del('countersign:decisions-sequence');
      else await client.set('countersign:decisions-sequence', written);
      await store.decisions.append([decisionRow(4)]);
      all.push((all.at(-1) ?? 0) + 1);
      assert.deepEqual(await numbersOf(store), all, String(written));
    }
  });

  test('counts that somebody wrote are left out, are added to again, and hide and stop nothing', async (t) => {
    const { store, client } = await emptied(t);
    await store.decisions.append([decisionRow(1, { skewSeconds: 40 })]);
    const before = await store.decisions.rollups(t0, t0 + 60);
    const [minute, measures] = [`countersign:rollup:60:${t0}`, `countersign:measures:60:${t0}`];
    const group = (await client.hkeys(minute)).find((field) => field.startsWith('group '))?.slice(6) ?? '';
    const measure = (await client.hkeys(measures)).find((field) => field.startsWith('count '))?.slice(6) ?? '';
    for (const written of ['', '{', 'null', '[]', '7', '"x"', '{"service":5}']) {
      await client.hset(minute, 'group bad', written, 'count bad', '1', 'words', written);
      await client.hset(measures, `count ${written}`, 1);
      const found = await store.decisions.rollups(t0, t0 + 60);
      assert.deepEqual([found.groups, found.measures], [before.groups, before.measures], written);
      assert.ok(found.unreadable >= 2, written);
      await client.hdel(minute, 'group bad', 'count bad', 'words');
      await client.hdel(measures, `count ${written}`);
    }
    for (const [key, field] of [
      [minute, `count ${group}`],
      [minute, `first ${group}`],
      [minute, `last ${group}`],
      [measures, `count ${measure}`],
      [measures, `least ${measure}`],
      [measures, `most ${measure}`],
    ] as const)
      for (const written of [
        '',
        'words',
        'nan',
        'inf',
        '-inf',
        '1e999',
        ...(field.startsWith('count') ? ['2.5'] : []),
      ]) {
        await client.hset(key, field, written);
        assert.equal((await store.decisions.rollups(t0, t0 + 60)).unreadable, 1, `${field} ${written}`);
        const kept = await client.xlen('countersign:decisions');
        await store.decisions.append([decisionRow(1, { skewSeconds: 40 })]);
        assert.equal(await client.xlen('countersign:decisions'), kept + 1);
        const found = await store.decisions.rollups(t0, t0 + 60);
        assert.equal(found.unreadable, 0, `${field} ${written}`);
        assert.equal(found.groups[0]?.firstSeen, t0 + 1);
      }
  });

  test('where something of another type stands it is named, nothing is written by halves, and the rest can be read', async (t) => {
    const { store, client } = await emptied(t);
    await store.decisions.append([decisionRow(1)]);
    const names = ['', '-by-time', '-strangers', '-sequence', '-displaced'].map(
      (name) => `countersign:decisions${name}`,
    );
    const buckets = [60, 3600].flatMap((size) => [
      `countersign:rollups:${size}`,
      ...['rollup', 'measures'].map((kind) => `countersign:${kind}:${size}:${Math.floor(t0 / size) * size}`),
    ]);
    for (const name of [...names, ...buckets]) {
      await client.rename(name, 'kept').catch(() => undefined);
      await client.sadd(name, 'x');
      const all = async () => {
        const keys = (await client.keys('countersign:*')).sort();
        return Promise.all(keys.map(async (key) => [key, await client.dump(key)]));
      };
      const before = await all();
      await assert.rejects(
        store.decisions.append([decisionRow(2)]),
        (error: Error) =>
          hasCode(error, 'store_unavailable') &&
          error.message.includes(`holds a set under ${name}, where something of another type belongs`),
      );
      assert.deepEqual(await all(), before, name);
      if (name.includes('rollup:') || name.includes('measures:'))
        assert.equal((await store.decisions.rollups(t0, t0 + (name.includes('3600') ? 3600 : 60))).unreadable, 1, name);
      await client.del(name);
      await client.rename('kept', name).catch(() => undefined);
    }
    await store.decisions.append([decisionRow(2)]);
    assert.deepEqual(await numbersOf(store), [1, 2]);
  });

  test('a server whose names a newer version keeps otherwise is refused, and left as it is', async (t) => {
    const { store, client } = await emptied(t);
    assert.deepEqual(await store.migrate(), []);
    assert.equal(await client.get('countersign:layout'), '1');
    await store.migrate();
    await store.schema();
    await client.set('countersign:layout', '2');
    for (const verb of [() => store.schema(), () => store.migrate()])
      await assert.rejects(
        verb,
        (error: Error) =>
          hasCode(error, 'store_unavailable') && /written by a newer version.*its layout is 2/.test(error.message),
      );
    assert.equal(await client.get('countersign:layout'), '2');
  });

  test("a clock that is not the server's is told of", async (t) => {
    for (const [ahead, words] of [
      [0, null],
      [900, /clock of this machine is (?:900|899|901) s ahead of that of Redis at 127/],
      [-900, /clock of this machine is (?:900|899|901) s behind that of Redis at 127/],
    ] as const) {
      const store = redisStore({ url, clock: () => Date.now() / 1000 + ahead });
      t.after(() => store.close());
      const said = (await store.warnings()).filter((text) => text.includes('clock'));
      assert.equal(said.length, words === null ? 0 : 1);
      if (words) assert.match(said.join(), words);
    }
  });

  test('a credential whose scopes or addresses another program wrote otherwise is not read as one without bounds', async (t) => {
    const { store, client: other } = await emptied(t);
    const [key, token] = [keyRecord('bounded', { allowedIps: ['10.0.0.1/32'] }), tokenRecord(77)];
    await store.keys.insert(key);
    await store.tokens.insert(token);
    for (const field of ['scopes', 'allowedIps'])
      for (const written of [{}, '', '10.0.0.1', 0, null, [5], undefined]) {
        const name = `${field} ${JSON.stringify(written)}`;
        await other.hset('countersign:key:bounded', 'record', JSON.stringify({ ...key, [field]: written }));
        await other.hset(
          `countersign:token:${token.tokenId}`,
          'record',
          JSON.stringify({ ...token, [field]: written }),
        );
        const [odd, oddToken] = ['countersign:key:bounded', `countersign:token:${token.tokenId}`];
        for (const [asked, named] of [
          [store.keys.get('bounded'), odd],
          [store.keys.byDigest(key.digest), odd],
          [store.keys.list(), odd],
          [store.tokens.byHash(token.tokenHash), oddToken],
          [store.tokens.listActive(0, 9), oddToken],
        ] as const)
          await assert.rejects(
            asked,
            (error: Error) =>
              hasCode(error, 'store_unavailable') && error.message.startsWith(`${named} in Redis cannot be read`),
            name,
          );
      }
  });

  test('a counter of changes that is none stops no change, and all of it is read anew', async (t) => {
    const { store, client } = await emptied(t);
    await store.migrate();
    await store.keys.insert(keyRecord('a'));
    await store.keys.insert(keyRecord('b'));
    const heard: string[] = [];
    const other = redisStore({ url, patienceMillis: 300 });
    t.after(() => other.close());
    await other.migrate();
    other.watch(({ topic, id }) => heard.push(`${topic} ${id}`.trim()));
    for (const [id, written] of [
      ['a', 'words'],
      ['b', '9223372036854775807'],
    ] as const) {
      heard.length = 0;
      await client.set('countersign:changes', written);
      await until(() => heard.includes('resync'));
      await store.keys.revoke(id, 7);
      await until(() => heard.includes(`keys ${id}`) || heard.lastIndexOf('resync') > 1);
      assert.ok((await store.keys.revocations()).includes(keyRecord(id).digest));
      assert.ok(Number(await client.get('countersign:changes')) < 10);
    }
    await client.del('countersign:changes');
    await client.rpush('countersign:changes', 'x');
    await store.keys.insert(keyRecord('c'));
    assert.equal(await client.get('countersign:changes'), '1');
  });

  test('a verb that meets another type does nothing of what it was to do', async (t) => {
    const { store, client } = await emptied(t);
    await store.keys.insert(keyRecord('a'));
    await store.tokens.insert(tokenRecord(1));
    const entry = { kind: 'things', id: 'a', value: 1, expiresAt: t0 + 60 } as const;
    const kept = await store.records.put(entry, null, t0);
    const revision = kept?.revision ?? '';
    for (const [name, verb] of [
      ['keys', () => store.keys.insert(keyRecord('b'))],
      ['key-digests', () => store.keys.insert(keyRecord('b'))],
      ['revocations', () => store.keys.revoke('a', 5)],
      ['tokens', () => store.tokens.insert(tokenRecord(2))],
      ['tokens-expiry', () => store.tokens.insert(tokenRecord(2))],
      ['records:things', () => store.records.put({ ...entry, id: 'b' }, null, t0)],
      ['records-expiry', () => store.records.remove('things', 'a', revision, t0)],
    ] as const) {
      await client.rename(`countersign:${name}`, 'aside').catch(() => undefined);
      await client.set(`countersign:${name}`, 'x');
      const all = async () => {
        const names = (await client.keys('countersign:*')).sort();
        return Promise.all(names.map(async (each) => [each, await client.dump(each)]));
      };
      const before = await all();
      await assert.rejects(
        verb,
        (error: Error) => error.message.includes(`holds a string under countersign:${name}`),
        name,
      );
      assert.deepEqual(await all(), before, name);
      await client.del(`countersign:${name}`);
      await client.rename('aside', `countersign:${name}`).catch(() => undefined);
    }
  });

  test('a use of a key that somebody made unreadable says nothing, and hides and stops no other', async (t) => {
    const { store, client } = await emptied(t);
    const use = {
      credentialId: 'k',
      caller: 'service:a',
      clientAddress: '10.0.0.1',
      count: 1,
      firstUsed: 5,
      lastUsed: 6,
    };
    await store.usage.add([use]);
    await client.zadd('countersign:usage-places:k', 7, '{');
    const place = JSON.stringify([use.caller, use.clientAddress]);
    for (const field of ['count', 'first', 'last'])
      await client.hset('countersign:usage:k', `${field} ${place}`, 'words');
    await store.usage.add([use]);
    const nothing = { credentialId: 'k', caller: '', clientAddress: '', count: 0, firstUsed: 0, lastUsed: 0 };
    assert.deepEqual(await store.usage.list(), [use, nothing]);
  });
}
