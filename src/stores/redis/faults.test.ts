import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Redis } from 'ioredis';
import { isMode } from '../../core/mode.ts';
import { hasCode, type Change, type Store, type StoreError } from '../../core/store.ts';
import { databasePassword, forThisFile, startRedis } from '../../../test/fixtures/databases.ts';
import { tcpRelay } from '../../../test/fixtures/tcp-relay.ts';
import { until } from '../../../test/fixtures/until.ts';
import { keyRecord, tokenRecord } from '../store.fixtures.ts';
import { redisStore } from './store.ts';

const server = await forThisFile('Redis that fails', startRedis);
const unavailable = (error: unknown): boolean => hasCode(error, 'store_unavailable');

if (server) {
  const { url } = server;

  test('what was acknowledged survives kill -9 of a server that writes everything down, and the feed says resync', async (t) => {
    const store = await opened(t, url);
    for (let number = 0; number < 50; number += 1) await store.keys.insert(keyRecord(`k${number}`));
    await store.keys.revoke('k7', 1000);
    const heard = heardOf(store, 'resync');
    await server.kill();
    await assert.rejects(store.tokens.byHash('any'), unavailable);
    await assert.rejects(store.limits.once('n', 2000, 1000), unavailable);
    await server.restart();
    await heard;
    await retried(() => store.ping());
    assert.equal((await store.keys.list()).length, 50);
    assert.deepEqual(await store.keys.revocations(), [keyRecord('k7').digest]);
  });

  test('a mode that cannot be read hides no other, and can be set anew and cleared', async (t) => {
    const store = await opened(t, url);
    const other = new Redis(url);
    t.after(async () => other.disconnect());
    for (const written of ['', '{', 'null', '[]', '"enforce"', '{}', '{"mode":{},"setAt":"x"}']) {
      await other.flushall();
      await store.modes.set({ scope: 'aidb', mode: 'enforce', setAt: 5, setBy: 'me' });
      await other.hset('countersign:modes', 'embeddings/embed', written);
      const [aidb, odd] = await store.modes.list();
      assert.deepEqual(aidb, { scope: 'aidb', mode: 'enforce', setAt: 5, setBy: 'me' });
      assert.deepEqual([odd?.scope, odd?.setAt, isMode(odd?.mode)], ['embeddings/embed', 0, false], written);
      await store.modes.clear(null, 'enforce');
      assert.deepEqual(
        (await store.modes.list()).map(({ scope }) => scope),
        ['embeddings/embed'],
      );
      await store.modes.set({ scope: 'embeddings/embed', mode: 'off', setAt: 6, setBy: 'me' });
      assert.equal((await store.modes.list())[0]?.mode, 'off');
    }
    await other.flushall();
  });

  test('a server that was restarted empty is a resync, and so is one that is emptied while it runs', async (t) => {
    const store = await opened(t, url, 1000);
    await store.keys.revokeDigest('before', 1);
    const restarted = heardOf(store, 'resync');
    await server.restartEmpty();
    await restarted;
    await retried(() => store.ping());
    assert.deepEqual(await store.keys.revocations(), []);
    await store.keys.insert(keyRecord('a'));
    const emptied = heardOf(store, 'resync');
    const other = new Redis(url);
    t.after(async () => other.disconnect());
    await other.flushall();
    await emptied;
    assert.deepEqual(await store.keys.list(), []);
  });

  test('a change that never arrived is noticed', async (t) => {
    const store = await opened(t, url, 1000);
    const other = new Redis(url);
    t.after(async () => other.disconnect());
    const heard = heardOf(store, 'resync');
    await other.incr('countersign:changes');
    await heard;
    const next = heardOf(store, 'revocations');
    await store.keys.revokeDigest('b', 1);
    assert.deepEqual(await next, { topic: 'revocations', id: 'b' });
  });

  test('a server that stands still is unavailable in bounded time, and nothing is missed when it goes on', async (t) => {
    const store = await opened(t, url, 1000);
    const other = await opened(t, url);
    server.pause();
    t.after(async () => server.resume());
    await Promise.all(Array.from({ length: 20 }, () => assert.rejects(store.keys.get('a'), unavailable)));
    server.resume();
    const heard = new Promise((resolve) => store.watch(resolve));
    await retried(() => other.keys.revokeDigest('c', 1));
    await heard;
    await retried(() => store.ping());
  });

  test('a connection that is cut, and one that falls silent, are given up and made anew', async (t) => {
    const relay = await tcpRelay(t, server.port);
    const through = new URL(url);
    through.port = String(relay.port);
    const store = await opened(t, through.href, 1000);
    const cut = heardOf(store, 'resync');
    relay.cut();
    await cut;
    await retried(() => store.ping());
    const silenced = heardOf(store, 'resync');
    relay.silence();
    await assert.rejects(store.keys.get('a'), unavailable);
    await assert.rejects(store.keys.get('a'), unavailable);
    relay.restore();
    await silenced;
    await retried(() => store.ping());
  });

  test('exactly as many of 200 concurrent uses pass over two instances as there is room for', async (t) => {
    const stores = [await opened(t, url), await opened(t, url)];
    const over = <T>(verb: (store: Store) => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: 200 }, (_, index) => verb(stores[index % 2] as Store)));
    assert.equal((await over((store) => store.limits.once('nonce', 2000, 1000))).filter(Boolean).length, 1);
    const states = await over((store) => store.limits.take('k', 5, 60, 1000));
    assert.equal(states.filter(({ allowed }) => allowed).length, 5);
  });

  test('a server that became a replica is left, since its name may mean another one by now', async (t) => {
    const client = new Redis(url);
    t.after(async () => client.disconnect());
    const store = await opened(t, url);
    const connections = async (): Promise<string> => {
      const lines = String(await client.client('LIST')).split('\n');
      return lines.flatMap((line) => (line.includes('name=countersign') ? /^id=\d+/.exec(line) : [])).join();
    };
    const before = await connections();
    await client.replicaof('127.0.0.1', 1);
    await assert.rejects(store.keys.insert(keyRecord('demoted')), unavailable);
    await client.replicaof('NO', 'ONE');
    await retried(() => store.keys.insert(keyRecord('demoted')));
    assert.notEqual(await connections(), before);
  });

  test('numbered databases are apart, their changes too', async (t) => {
    const zero = await opened(t, url);
    const one = await opened(t, `${url}/1`);
    const heard: Change[] = [];
    one.watch((change) => heard.push(change));
    await zero.keys.revokeDigest('zero', 1);
    await one.keys.revokeDigest('one', 1);
    assert.deepEqual(heard, [{ topic: 'revocations', id: 'one' }]);
    assert.deepEqual(await one.keys.revocations(), ['one']);
  });

  test('a number that the server has no database for is refused, and nothing is written elsewhere', async (t) => {
    const client = new Redis(url);
    t.after(async () => client.disconnect());
    await client.flushall();
    const store = redisStore({ url: `${url}/99` });
    t.after(() => store.close());
    for (const verb of [() => store.ping(), () => store.keys.insert(keyRecord('lost'))])
      await assert.rejects(
        verb,
        (error: Error) => unavailable(error) && /no database 99 for us: ERR/.test(error.message),
      );
    assert.deepEqual(await client.keys('*'), []);
  });

  test('everything lies under one prefix, and what ends has an expiry', async (t) => {
    const store = await opened(t, url);
    const client = new Redis(url);
    t.after(async () => client.disconnect());
    await store.tokens.insert(tokenRecord(1));
    await store.limits.take('k2', 1, 60, 1000);
    await store.limits.once('n2', 2000, 1000);
    for (const key of await client.keys('*')) {
      assert.ok(key.startsWith('countersign:'), key);
      const ends = /^countersign:(?:token|token-hash|limit|once):/.test(key);
      assert.equal((await client.pttl(key)) > 0, ends, key);
    }
  });

  test('a policy that throws keys away is warned of, and a server that forgets them when it restarts', async (t) => {
    const client = new Redis(url);
    t.after(async () => client.disconnect());
    const store = redisStore({ url });
    t.after(() => store.close());
    assert.deepEqual(await store.warnings(), []);
    await client.config('SET', 'maxmemory-policy', 'volatile-lru');
    await client.config('SET', 'appendonly', 'no');
    const [policy, restarts, ...rest] = await store.warnings();
    assert.match(policy ?? '', /maxmemory-policy volatile-lru.*set maxmemory-policy noeviction/);
    assert.match(restarts ?? '', /appendonly no.*set appendonly yes/);
    assert.deepEqual(rest, []);
    await client.config('SET', 'appendonly', 'yes');
    await client.config('SET', 'maxmemory-policy', 'noeviction');
  });

  test('a replica is not taken for a store: it does not answer as one, since it takes no writes', async (t) => {
    const client = new Redis(url);
    t.after(async () => client.disconnect());
    const store = await opened(t, url);
    await store.ping();
    await client.replicaof('127.0.0.1', 1);
    await assert.rejects(
      store.ping(),
      (error: StoreError) =>
        unavailable(error) && error.readOnly && error.message.endsWith('is read only; name the primary'),
    );
    await client.replicaof('NO', 'ONE');
    await store.ping();
  });

  test('a full server refuses to write and says so', async (t) => {
    const client = new Redis(url);
    t.after(async () => client.disconnect());
    const store = await opened(t, url);
    await client.config('SET', 'maxmemory', '1');
    assert.match(
      (await store.warnings()).join(),
      /^Redis uses \d+ % of its maxmemory: when it is full it takes no key/,
    );
    await assert.rejects(
      store.keys.insert(keyRecord('full')),
      (error: Error) => unavailable(error) && /is full/.test(error.message),
    );
    await client.config('SET', 'maxmemory', '0');
  });

  test('a user without the channels is told of; what it writes is done, and the others hear of it late', async (t) => {
    const client = new Redis(url);
    t.after(async () => client.disconnect());
    const few = await userWith(client, '~countersign:*', 'resetchannels', '+@all', '-@dangerous', '+info');
    const other = await opened(t, url, 500);
    const store = await opened(t, few, 500);
    const heard = heardOf(other, 'resync');
    await store.keys.insert(keyRecord('untold'));
    assert.equal((await heard).topic, 'resync');
    assert.match((await store.warnings()).join(), /may not use the channel countersign:changes:0.*nothing is heard/);
    await client.acl('SETUSER', 'few', '&countersign:*');
    await until(async () => (await store.warnings()).length === 0, 'the channel is listened to');
  });

  test('what a user may not do within a script is named as such', async (t) => {
    const client = new Redis(url);
    t.after(async () => client.disconnect());
    const few = await userWith(client, '~countersign:*', '&countersign:*', '+@all', '-@dangerous', '-@write', '+info');
    const store = redisStore({ url: few });
    t.after(() => store.close());
    await assert.rejects(
      store.keys.insert(keyRecord('unwritten')),
      (error: Error) => unavailable(error) && /does not allow the user to do this/.test(error.message),
    );
  });

  test('no error shows the password or the URL', async (t) => {
    const wrong = new URL(url);
    wrong.password = 'another-secret';
    const unreachable = new URL(url);
    unreachable.port = '1';
    for (const [bad, words] of [
      [wrong, /refuses the user or the password/],
      [unreachable, /cannot be reached \(ECONNREFUSED\)/],
    ] as const) {
      const store = redisStore({ url: bad.href });
      t.after(() => store.close());
      await assert.rejects(store.keys.insert(keyRecord('secret-id')), (error: Error) => {
        assert.ok(unavailable(error));
        assert.match(error.message, words);
        const shown = `${error.stack}${JSON.stringify(error)}${String(error.cause)}`;
        for (const secret of [databasePassword, 'another-secret', 'redis://', 'secret-id'])
          assert.ok(!shown.includes(secret));
        return true;
      });
    }
  });
}

/** The address for a user of these rights. */
async function userWith(client: Redis, ...rights: string[]): Promise<string> {
  await client.acl('SETUSER', 'few', 'reset', 'on', `>${databasePassword}`, ...rights);
  const few = new URL(server?.url ?? '');
  few.username = 'few';
  return few.href;
}

/** Impatient where the test waits for the patience to end. */
async function opened(t: TestContext, url: string, patienceMillis = 2500): Promise<Store> {
  const store = redisStore({ url, patienceMillis });
  t.after(() => store.close());
  await retried(() => store.migrate());
  return store;
}

/** A machine that is busy with other tests may need longer than the patience of these. */
async function retried<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function heardOf(store: Store, topic: Change['topic']): Promise<Change> {
  return new Promise((resolve) => {
    const stop = store.watch((change) => {
      if (change.topic !== topic) return;
      stop();
      resolve(change);
    });
  });
}
