import assert from 'node:assert/strict';
import { sign, verify } from 'node:crypto';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { hasCode } from '../core/store.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { ed25519Pair } from '../crypto/ed25519.ts';
import { idOf, mintKey, wellFormed } from '../crypto/key-format.ts';
import { sealWith } from '../crypto/seal.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { createKey } from './create.ts';
import { importKey } from './import.ts';
import { revokeKey } from './revoke.ts';

const seal = sealWith('ab'.repeat(32));
const now = 1_800_000_000;
const foreign = '5c1e07d3b9a24f8860d1e7f2c3b4958a7d6e0f1122334455a6b7c8d9e0f10213';
const order = { service: 'aidb', kind: 'sk', expiresAt: null, now } as const;

test('creates an API key of which the store has only the digest', async () => {
  const store = memoryStore();
  const { key, record } = await createKey(store, seal, { ...order, scopes: ['a'], allowedIps: ['10.0.0.0/8'] });
  assert.ok(wellFormed(key));
  assert.equal(record.id, idOf(key));
  assert.deepEqual(await store.keys.list(), [record]);
  assert.equal(record.digest, sha256Hex(key));
  assert.equal(record.lastFour, key.slice(-4));
  assert.ok(!JSON.stringify(record).includes(key.slice(0, -4)));
});

test('seals an HMAC secret to its id, service and kind', async () => {
  const store = memoryStore();
  const { key, record } = await createKey(store, seal, { ...order, kind: 'hs' });
  assert.ok(!JSON.stringify(record).includes(key.slice(0, -4)));
  assert.equal(seal.open(record.material ?? '', record), key);
  assert.throws(() => seal.open(record.material ?? '', { ...record, service: 'other' }), { code: 'seal_broken' });
});

test('creates a key pair of which the public half is kept and the private half is in the answer alone', async () => {
  const store = memoryStore();
  const { key, record } = await createKey(store, seal, { ...order, kind: 'ed25519' });
  assert.match(key, /^-----BEGIN PRIVATE KEY-----\n/);
  assert.match(record.material ?? '', /^-----BEGIN PUBLIC KEY-----\n/);
  assert.equal(record.digest, sha256Hex(record.material ?? ''));
  assert.match(record.lastFour, /^[A-Za-z0-9+/]{4}$/);
  const privateBody = key.split('\n')[1] ?? '';
  assert.ok(privateBody.length > 20 && !JSON.stringify(await store.keys.list()).includes(privateBody));
  const signature = sign(null, Buffer.from('base'), key);
  assert.ok(verify(null, Buffer.from('base'), record.material ?? '', signature));
});

test('imports a public key however its PEM is laid out, once, and refuses a private one', async () => {
  const store = memoryStore();
  const { privatePem, publicPem } = await ed25519Pair();
  const ed25519 = { ...order, kind: 'ed25519' } as const;
  const { record } = await importKey(store, seal, { ...ed25519, secret: publicPem.trim().replaceAll('\n', '\r\n') });
  assert.equal(record.material, publicPem);
  assert.ok(record.imported);
  await assert.rejects(importKey(store, seal, { ...ed25519, secret: publicPem }), { code: 'duplicate_key' });
  for (const secret of [privatePem, foreign, '']) {
    await assert.rejects(importKey(store, seal, { ...ed25519, secret }), (error) => {
      assert.ok(hasCode(error, 'invalid_key') && error instanceof Error);
      assert.match(error.message, /openssl pkey -in private\.pem -pubout/);
      assert.ok(secret === '' || !error.message.includes(secret.split('\n')[1] ?? secret));
      return true;
    });
  }
  await revokeKey(store, record.id, now);
  await assert.rejects(importKey(store, seal, { ...ed25519, secret: publicPem }), { code: 'duplicate_key' });
});

test('refuses an order that makes no sense before anything is stored', async () => {
  const store = memoryStore();
  for (const service of ['', 'a:b', '-a', 'a/b', 'a b', `a${'b'.repeat(128)}`])
    await assert.rejects(createKey(store, seal, { ...order, service }), { code: 'invalid_service' });
  for (const expiresAt of [now, now - 1, Number.NaN])
    await assert.rejects(createKey(store, seal, { ...order, expiresAt }), { code: 'invalid_option' });
  await assert.rejects(createKey(store, seal, { ...order, allowedIps: ['10.0.0.0/33'] }), { code: 'invalid_option' });
  await assert.rejects(createKey(store, seal, { ...order, scopes: ['two words'] }), { code: 'invalid_option' });
  assert.deepEqual(await store.keys.list(), []);
});

test('imports a foreign key, and keeps the id that is written in one of ours', async () => {
  const store = memoryStore();
  const { record, warning } = await importKey(store, seal, { ...order, secret: foreign });
  assert.equal(record.digest, sha256Hex(foreign));
  assert.ok(record.imported);
  assert.equal(warning, null);
  const ours = mintKey('hs');
  const other = await importKey(store, seal, { ...order, kind: 'hs', secret: ours.key });
  assert.equal(other.record.id, ours.id);
  assert.equal(seal.open(other.record.material ?? '', other.record), ours.key);
});

test('a key that is known already is refused with the id that holds it', async () => {
  const store = memoryStore();
  const { record } = await importKey(store, seal, { ...order, secret: foreign });
  await assert.rejects(importKey(store, seal, { ...order, service: 'other', secret: foreign }), {
    code: 'duplicate_key',
    message: `this key is known already: ${record.id} of aidb`,
  });
  const both = mintKey('sk').key;
  const results = await Promise.allSettled([1, 2, 3].map(() => importKey(store, seal, { ...order, secret: both })));
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const result of results) if (result.status === 'rejected') assert.equal(result.reason.code, 'duplicate_key');
});

test('a revoked key cannot be imported again, whether it was in a record or not', async () => {
  const store = memoryStore();
  await revokeKey(store, foreign, now);
  await assert.rejects(importKey(store, seal, { ...order, secret: foreign }), { code: 'revoked_key' });
  const { key } = await createKey(store, seal, order);
  await revokeKey(store, key, now);
  await assert.rejects(importKey(store, seal, { ...order, secret: key }), {
    code: 'duplicate_key',
    message: /and was revoked/,
  });
});

test('warns of a key that can be guessed', async () => {
  const store = memoryStore();
  for (const secret of ['passwordpassword', 'a'.repeat(40)]) {
    const { warning } = await importKey(store, seal, { ...order, secret });
    assert.match(warning ?? '', /can be guessed/);
    assert.ok(!warning?.includes(secret));
  }
});

test('refuses a cut-off key of ours, and one of another kind', async () => {
  const store = memoryStore();
  const refused = (secret: string, kind: 'sk' | 'hs'): Promise<void> =>
    assert.rejects(importKey(store, seal, { ...order, kind, secret }), (error: Error) => {
      assert.ok(hasCode(error, 'invalid_key'));
      assert.ok(!error.message.includes(secret.slice(6, 40)));
      return true;
    });
  const { key } = mintKey('sk');
  await refused(key.slice(0, -1), 'sk');
  await refused(key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A'), 'sk');
  await refused(key, 'hs');
  await refused(mintKey('hs').key, 'sk');
  for (const kind of ['st', 'ad'] as const) await refused(mintKey(kind).key, 'sk');
});

test('imports exactly the keys that a header can carry and that are long enough; no refusal shows the key', async () => {
  const store = memoryStore();
  const secrets = fc.oneof(
    fc.stringMatching(/^[\x21-\x7e]{1,80}$/),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
    fc.string({ unit: 'grapheme', minLength: 16, maxLength: 40 }),
    fc.constantFrom('', 'x'.repeat(4096), 'x'.repeat(4097)),
  );
  await fc.assert(
    fc.asyncProperty(secrets, async (secret) => {
      const fits = /^[\x21-\x7e]{16,4096}$/.test(secret) && !/^cs_(?:sk|hs|st|ad)_/.test(secret);
      try {
        const { record } = await importKey(store, seal, { ...order, secret });
        assert.ok(fits);
        assert.equal(record.digest, sha256Hex(secret));
      } catch (error) {
        assert.ok(!fits || hasCode(error, 'duplicate_key'), String(error));
        assert.ok(hasCode(error, 'invalid_key') || hasCode(error, 'duplicate_key'));
        if (secret.length > 8) assert.ok(!String(error).includes(secret));
      }
    }),
    { numRuns: 500 },
  );
});

test('revokes by id and by the whole key, says which, and may be repeated', async () => {
  const store = memoryStore();
  const one = await createKey(store, seal, order);
  const first = await revokeKey(store, one.record.id, now + 1);
  assert.equal(first.record?.revokedAt, now + 1);
  assert.equal(first.already, false);
  const again = await revokeKey(store, one.key, now + 2);
  assert.equal(again.record?.revokedAt, now + 1);
  assert.equal(again.already, true);
  assert.deepEqual(await revokeKey(store, foreign, now), { record: null, already: false });
  assert.deepEqual(await revokeKey(store, foreign, now), { record: null, already: true });
  assert.deepEqual((await store.keys.revocations()).sort(), [sha256Hex(one.key), sha256Hex(foreign)].sort());
});

test('a text that cannot be a key does not look revoked', async () => {
  const store = memoryStore();
  await assert.rejects(revokeKey(store, 'abcdefghij', now), { code: 'unknown_key', message: /no key abcdefghij/ });
  const key = mintKey('sk').key;
  for (const text of [
    '',
    'two words',
    'file:embeddings_api_key',
    'env:aidb.env',
    key.slice(0, -1),
    mintKey('st').key,
    mintKey('ad').key,
  ])
    await assert.rejects(revokeKey(store, text, now), (error: Error) => {
      assert.ok(hasCode(error, 'invalid_key'));
      assert.ok(!error.message.includes(key.slice(6, 40)));
      return true;
    });
  assert.deepEqual(await store.keys.revocations(), []);
});

test('warns of a key that was imported with what was pasted along', async () => {
  const importing = async (secret: string) => (await importKey(memoryStore(), seal, { ...order, secret })).warning;
  assert.match((await importing(`"${foreign}"`)) ?? '', /^the key stands in quotes/);
  assert.match((await importing(`AIDB_API_KEY=${foreign}`)) ?? '', /^the key begins with a name/);
  for (const plain of [foreign, `${foreign.slice(0, 40)}KEY==`]) assert.equal(await importing(plain), null);
});
