import assert from 'node:assert/strict';
import { beforeEach, test, type TestContext } from 'node:test';
import { Redis } from 'ioredis';
import { databasePassword, forThisFile, startRedis, type RedisServer } from '../../../test/fixtures/databases.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { sealWith } from '../../crypto/seal.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { importKey } from '../import.ts';
import { keyring } from '../keyring/keyring.ts';
import { revokeKey } from '../revoke.ts';
import { redisKeys } from './redis-keys.ts';

const secretA = 'a4f1c09b77e2d35568aa01bc9d3fe6427781905cde23f4ab56108e9dc7b3f02a';
const secretB = '0b93de52f7a146c8801fbe27d9653ca4e1f870b26d4c59831a7eb6f2c05d9e84';
const seconds = 7_776_000;
const server = await forThisFile('service keys in Redis', startRedis);

/** A source, and a way to wait for what it will say. */
async function following(t: TestContext, { url, pollMillis = 5000 }: { url: string; pollMillis?: number }) {
  const warned: string[] = [];
  const source = redisKeys({ url, pollMillis, onWarning: (text) => warned.push(text) });
  t.after(() => source.close());
  let look = (): void => undefined;
  await source.start(() => look());
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const alive = setInterval(() => {}, 1000);
      look = () => {
        if (!holds()) return;
        clearInterval(alive);
        resolve();
      };
      look();
    });
  const services = (): string[] =>
    source
      .keys()
      .map(({ service }) => service)
      .toSorted();
  return { source, warned, until, services };
}

function clientOf(t: TestContext, { url }: RedisServer): Redis {
  const client = new Redis(url);
  client.on('error', () => undefined);
  t.after(() => client.disconnect());
  return client;
}

if (server) {
  beforeEach(async () => {
    const client = new Redis(server.url);
    await client.flushall();
    client.disconnect();
  });

  test('a key counts as it is written, from the moment at which it is set until it is deleted or expires', async (t) => {
    const client = clientOf(t, server);
    await client.set('service:key:aidb', secretA, 'EX', seconds);
    await client.set('another:key', 'x');
    // Long pauses between looks: what is seen here was told.
    const { source, services, until, warned } = await following(t, { url: server.url, pollMillis: 600_000 });
    const [found] = source.keys();
    assert.ok(found?.kind === 'hs' && found.credentialId === 'redis:aidb');
    assert.equal(found.key.hex('m'), hmacSha256(Buffer.from(secretA)).hex('m'), '64 hex characters are not decoded');
    await client.set('service:key:hybrid-coordinator', secretB, 'EX', seconds);
    await until(() => services().length === 2);
    await client.set('service:key:aidb', secretB, 'EX', seconds);
    await until(() => source.keys().every(({ digest }) => digest !== found.digest));
    await client.del('service:key:aidb');
    await until(() => services().join() === 'hybrid-coordinator');
    assert.deepEqual(warned, []);
    await client.pexpire('service:key:hybrid-coordinator', 1);
    await until(() => services().length === 0);
    await client.set('service:key:aidb', secretA);
    await until(() => services().length === 1);
    await client.flushall();
    await until(() => services().length === 0);
  });

  test('several keys that are written at once count at once, each of them', { timeout: 20_000 }, async (t) => {
    const client = clientOf(t, server);
    await client.set('service:key:aidb', secretA);
    const { services, until } = await following(t, { url: server.url, pollMillis: 600_000 });
    // Seen only by being told of: from here on the connection listens.
    await client.del('service:key:aidb');
    await until(() => services().length === 0);
    await client.mset('service:key:aidb', secretA, 'service:key:hybrid-coordinator', secretB);
    await until(() => services().length === 2);
    await client.del('service:key:aidb', 'service:key:hybrid-coordinator');
    await until(() => services().length === 0);
  });

  test('what is no key is warned of without showing it, and the others count', async (t) => {
    const client = clientOf(t, server);
    const minted = `cs_hs_${'a'.repeat(10)}_${'b'.repeat(49)}`;
    await client.hset('service:key:hash', 'a', 'b');
    for (const [id, secret] of [
      ['spaces', 'sesame open'],
      ['cut-off', minted],
      ['a b:c\u001b[31m', secretB],
      ['weak', 'sesame-open'],
      ['aidb', secretA],
    ] as const)
      await client.set(`service:key:${id}`, secret);
    await client.set('service:key:ending', secretA, 'EX', 86_400 * 3 + 60);
    const { source, services, warned } = await following(t, { url: server.url });
    assert.deepEqual(services(), ['aidb', 'ending', 'weak']);
    assert.deepEqual(warned.toSorted(), source.warnings().toSorted());
    const place = `redis 127.0.0.1:${server.port}/0: service:key:`;
    for (const [name, words] of [
      ['hash', ' is no string'],
      ['spaces', ': holds white space'],
      ['cut-off', ': looks like one of our keys, but is cut off'],
      ['…', ': a service id is'],
      ['weak', ' has only 11 characters'],
      ['ending', ' ends in 3 d'],
    ] as const)
      assert.ok(
        warned.some((text) => text.startsWith(place + name + words)),
        `${name}${words}`,
      );
    assert.equal(warned.length, 6);
    for (const secret of ['sesame', 'bbbb', '\u001b', databasePassword]) assert.ok(!warned.join().includes(secret));
  });

  test('the end of each is told to metrics, also where the store holds the same key, until it is revoked', async (t) => {
    const client = clientOf(t, server);
    const store = memoryStore();
    const seal = sealWith('ab'.repeat(32));
    const warned: string[] = [];
    const now = Date.now() / 1000;
    await importKey(store, seal, { service: 'aidb', kind: 'hs', secret: secretA, expiresAt: null, now });
    await client.set('service:key:aidb', secretA, 'EX', seconds);
    await client.set('service:key:web', secretB, 'EX', 3600);
    await client.set('service:key:endless', secretB);
    const { source } = await following(t, { url: server.url });
    const onWarning = (text: string): void => void warned.push(text);
    const ring = await keyring({ store, seal, sources: [source], clock: () => now, onWarning });
    t.after(() => ring.close());
    const ends = (): string[] =>
      ring
        .expiries()
        .map((one) => `${one.service} ${one.credentialId} ${Math.round((one.expiresAt - now) / 60)}`)
        .toSorted();
    assert.deepEqual(ends(), [`aidb redis:aidb ${seconds / 60}`, 'web redis:web 60']);
    assert.deepEqual(warned, [], 'one key of one caller in two places is as it was delivered');
    await revokeKey(store, secretA, now);
    assert.deepEqual(ends(), ['web redis:web 60']);
  });

  test('a policy that throws keys away is warned of', async (t) => {
    const client = clientOf(t, server);
    await client.config('SET', 'maxmemory-policy', 'volatile-ttl');
    const { source } = await following(t, { url: server.url });
    await client.config('SET', 'maxmemory-policy', 'noeviction');
    assert.match(
      source.warnings().join(),
      /maxmemory-policy volatile-ttl.*service keys.*set maxmemory-policy noeviction/,
    );
  });

  test('a user who may do nothing but read the keys is enough: then they are looked at now and then', async (t) => {
    const client = clientOf(t, server);
    await client.call(
      'ACL',
      'SETUSER',
      'reader',
      'on',
      '>reading',
      '~service:key:*',
      '+get',
      '+pttl',
      '+scan',
      '+ping',
    );
    await client.set('service:key:aidb', secretA);
    const url = `redis://reader:reading@127.0.0.1:${server.port}`;
    const { services, warned, until } = await following(t, { url, pollMillis: 20 });
    assert.deepEqual(services(), ['aidb']);
    await client.set('service:key:web', secretB);
    await until(() => services().length === 2);
    assert.match(warned.join(), /does not tell of changes: it refuses \(NOPERM\); looked at every 0\.02 s/);
  });

  test('of a database that the server has not, no keys of another are read', async (t) => {
    await clientOf(t, server).set('service:key:aidb', secretA, 'EX', seconds);
    const { source, warned } = await following(t, { url: `${server.url}/99` });
    assert.deepEqual(source.keys(), []);
    assert.match(warned.join(), /cannot be reached \(it has no database of this number for us\)/);
  });

  test('while Redis is away nobody is called unknown, and what was read stays in use', async (t) => {
    const client = clientOf(t, server);
    await client.set('service:key:aidb', secretA);
    await server.kill();
    const source = redisKeys({ url: server.url, pollMillis: 20, onWarning: () => undefined });
    const ring = await keyring({
      store: memoryStore(),
      seal: sealWith('ab'.repeat(32)),
      sources: [source],
      clock: () => 1_800_000_000,
      onWarning: () => undefined,
    });
    t.after(() => ring.close());
    const changed = (): Promise<void> => new Promise((resolve) => void (stop = ring.onChange(resolve)));
    let stop = (): void => undefined;
    for (const look of [() => ring.macKeys('aidb'), () => ring.signatureKeys('aidb')])
      assert.throws(look, {
        code: 'keys_unavailable',
        message: /redis 127\.0\.0\.1.*cannot be reached \(ECONNREFUSED\)/,
      });
    assert.match(ring.warnings.join(), /cannot be reached/);

    await server.restart();
    const alive = setInterval(() => {}, 1000);
    while (source.keys().length === 0) await changed();
    assert.equal(ring.macKeys('aidb').length, 1);
    assert.deepEqual(ring.macKeys('nobody'), []);

    await server.kill();
    while (source.warnings().length === 0) await changed();
    assert.equal(ring.macKeys('aidb').length, 1);
    assert.deepEqual(ring.macKeys('nobody'), [], 'all were known');

    await server.restartEmpty();
    while (source.keys().length > 0) await changed();
    assert.deepEqual(ring.macKeys('aidb'), []);
    clearInterval(alive);
    stop();
  });
}
