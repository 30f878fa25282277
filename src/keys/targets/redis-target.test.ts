import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Redis } from 'ioredis';
import { databasePassword, forThisFile, startRedis } from '../../../test/fixtures/databases.ts';
import { sealWith } from '../../crypto/seal.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { createKey } from '../create.ts';
import { rotateInto } from '../rotation/rotate-into.ts';
import { isSecretOf, redisKeySeconds, redisTarget } from './index.ts';

const server = await forThisFile('a key in Redis', startRedis);
const seal = sealWith('ab'.repeat(32));
const clock = () => 1_800_000_000;
const order = { service: 'aidb', expiresAt: null, now: clock() } as const;

if (server) {
  test('a rotation writes the one string that deployed verifiers read, for 90 days, and we accept both keys', async (t) => {
    const store = memoryStore();
    const { record: old } = await createKey(store, seal, { ...order, kind: 'hs' });
    const target = redisTarget({ url: server.url, service: 'aidb' });
    const record = await rotateInto(old, { store, seal, clock, target, settleMillis: 1, graceSeconds: 60 });
    const reader = new Redis(server.url);
    t.after(() => reader.disconnect());
    assert.ok(isSecretOf((await reader.get('service:key:aidb')) ?? '', record));
    const left = await reader.ttl('service:key:aidb');
    assert.ok(left > redisKeySeconds - 60 && left <= redisKeySeconds);
    const before = await store.keys.get(old.id);
    assert.deepEqual([before?.revokedAt, before?.expiresAt], [null, clock() + 60]);
    assert.deepEqual([record.revokedAt, record.expiresAt], [null, null]);
  });

  test('what is no HMAC secret is not put there, and no key is made for it', async () => {
    const store = memoryStore();
    const target = redisTarget({ url: server.url, service: 'web' });
    for (const kind of ['sk', 'ed25519'] as const) {
      const { record } = await createKey(store, seal, { ...order, service: 'web', kind });
      const rotation = rotateInto(record, { store, seal, clock, target, settleMillis: 1, graceSeconds: 60 });
      await assert.rejects(rotation, { code: 'not_delivered', message: /holds the HMAC secret/ });
    }
    assert.equal((await store.keys.list()).length, 2);
  });

  test('a Redis that refuses is named without the password and without the key', async () => {
    const url = new URL(server.url);
    url.port = '1';
    const away = redisTarget({ url: url.href, service: 'aidb' });
    await assert.rejects(away.put('the-key-itself', {} as never), (error: Error) => {
      assert.match(error.message, /service:key:aidb in Redis at 127\.0\.0\.1:1\/0 cannot be had: .* \(ECONNREFUSED\)/);
      return !error.message.includes(databasePassword) && !JSON.stringify(error).includes('the-key-itself');
    });
    const wrong = new URL(server.url);
    wrong.password = 'not-this-one';
    await assert.rejects(redisTarget({ url: wrong.href, service: 'aidb' }).held(), {
      message: /\((WRONGPASS|NOAUTH)\)/,
    });
  });
}
