import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import type { KeyKind, KeyRecord } from '../../core/credential.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { ed25519Pair, ed25519PrivateKey } from '../../crypto/ed25519.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { sealWith } from '../../crypto/seal.ts';
import { keyIndex, type KeyIndex } from './key-index.ts';
import type { FoundKey } from '../sources/key-source.ts';

const seal = sealWith('ab'.repeat(32));
const now = 1_800_000_000;
const services = ['aidb', 'embeddings', 'key-3'];
const secrets = ['one', 'two', 'three', 'four'].map((word) => `${word}-secret-of-some-length`);
const pairs = await Promise.all(secrets.map(() => ed25519Pair()));

function recordOf(
  id: string,
  service: string,
  kind: KeyKind,
  secret: number,
  created: number,
  dead: boolean,
): KeyRecord {
  const text = kind === 'ed25519' ? (pairs[secret]?.publicPem ?? '') : (secrets[secret] ?? '');
  return {
    id,
    service,
    kind,
    digest: sha256Hex(text),
    material: kind === 'sk' ? null : kind === 'hs' ? seal.seal(text, { id, service, kind }) : text,
    lastFour: text.slice(-4),
    imported: false,
    scopes: [],
    allowedIps: [],
    createdAt: created,
    expiresAt: created % 2 === 0 ? null : created + 100,
    revokedAt: dead ? now : null,
    replaces: null,
    pending: false,
  };
}

function foundOf(kind: 'sk' | 'hs', service: string, secret: number, file: number): FoundKey {
  const text = secrets[secret] ?? '';
  const digest = sha256Hex(text);
  return kind === 'sk'
    ? { kind, credentialId: `file:${file}`, digest, service, acceptedAt: service }
    : { kind, credentialId: `env:${file}`, digest, service, key: hmacSha256(Buffer.from(text)) };
}

const aService = fc.constantFrom(...services);
const aSecret = fc.nat(secrets.length - 1);
const aRecord = fc
  .tuple(fc.nat(5), aService, fc.constantFrom<KeyKind>('sk', 'hs', 'ed25519'), aSecret, fc.nat(3), fc.boolean())
  .map(([id, service, kind, secret, created, dead]) =>
    recordOf(`key-${id}`, service, kind, secret, now + created, dead && created === 0),
  );
const aFound = fc
  .tuple(fc.constantFrom<'sk' | 'hs'>('sk', 'hs'), aService, aSecret, fc.nat(3))
  .map((all) => foundOf(...all));
const aStep = fc.oneof(
  { weight: 5, arbitrary: aRecord.map((record) => ({ record })) },
  { weight: 2, arbitrary: fc.nat(5).map((id) => ({ forget: `key-${id}` })) },
  { weight: 2, arbitrary: fc.array(aFound, { maxLength: 4 }).map((found) => ({ found })) },
  { weight: 1, arbitrary: aSecret.map((secret) => ({ revoke: sha256Hex(secrets[secret] ?? '') })) },
);

/** All that can be asked of an index, for everything that there could be. */
function answers(index: KeyIndex): unknown {
  const keyids = [...services, ...[0, 1, 2, 3, 4, 5].map((id) => `key-${id}`), 'env:0', 'env:1', 'env:2', 'env:3'];
  const credentials = [...keyids, ...[0, 1, 2, 3].map((file) => `file:${file}`)];
  const digests = [...secrets, ...pairs.map(({ publicPem }) => publicPem)].map(sha256Hex);
  return {
    size: index.size,
    apiKeys: digests.map((digest) => index.apiKey(digest)),
    macKeys: services.map((id) => index.macKeys(id).map(({ key, ...entry }) => ({ ...entry, mac: key.hex('m') }))),
    signatureKeys: keyids.map((id) =>
      index.signatureKeys(id).map(({ verify, ...entry }) => ({ ...entry, by: typeof verify })),
    ),
    live: credentials.map((id) => index.isLive(id, now)),
    expiries: index
      .expiries(now)
      .map((expiry) => JSON.stringify(expiry))
      .sort(),
    warnings: index.warnings().toSorted(),
  };
}

test('an index that followed every change answers as one that was built of what is left', () => {
  fc.assert(
    fc.property(fc.array(aStep, { maxLength: 40 }), (steps) => {
      const followed = keyIndex(seal);
      const records = new Map<string, KeyRecord>();
      const revoked = new Set<string>();
      let found: readonly FoundKey[] = [];
      for (const step of steps) {
        if ('record' in step) {
          records.set(step.record.id, step.record);
          // Revocations stay, whatever becomes of the record.
          if (step.record.revokedAt !== null) revoked.add(step.record.digest);
          followed.putRecord(step.record.id, step.record);
        } else if ('forget' in step) {
          records.delete(step.forget);
          followed.putRecord(step.forget, null);
        } else if ('found' in step) {
          found = step.found;
          followed.putFound(found);
        } else {
          revoked.add(step.revoke);
          followed.putRevoked(step.revoke);
        }
      }
      const putAll = (index: KeyIndex): void => {
        for (const digest of revoked) index.putRevoked(digest);
        for (const [id, record] of records) index.putRecord(id, record);
        index.keepOnly(new Set(records.keys()));
      };
      const built = keyIndex(seal);
      putAll(built);
      built.putFound(found);
      assert.deepEqual(answers(followed), answers(built));

      putAll(followed);
      assert.deepEqual(answers(followed), answers(built), 'reading everything anew changes nothing');
    }),
    { numRuns: 300 },
  );
});

test('of keys with one secret the newest record counts, then the first file; each service has its own HMAC secrets', () => {
  const index = keyIndex(seal);
  index.putFound([foundOf('hs', 'aidb', 0, 1), foundOf('hs', 'aidb', 0, 2), foundOf('hs', 'embeddings', 0, 3)]);
  assert.deepEqual(idsOf(index.macKeys('aidb')), ['env:1']);
  assert.deepEqual(idsOf(index.macKeys('embeddings')), ['env:3']);
  assert.equal(index.warnings().length, 1);
  index.putRecord('key-1', recordOf('key-1', 'aidb', 'hs', 0, now, false));
  assert.deepEqual(idsOf(index.macKeys('aidb')), ['key-1']);
  index.putRecord('key-2', recordOf('key-2', 'aidb', 'hs', 1, now + 2, false));
  assert.deepEqual(idsOf(index.macKeys('aidb')), ['key-2', 'key-1']);
  index.putRecord('key-1', null);
  assert.deepEqual(idsOf(index.macKeys('aidb')), ['key-2', 'env:1']);
});

test('a key of HTTP signatures is found by its id and by its service, and tells which scheme proved whom', () => {
  const index = keyIndex(seal);
  index.putRecord('key-1', recordOf('key-1', 'aidb', 'hs', 0, now, false));
  index.putRecord('key-2', recordOf('key-2', 'aidb', 'ed25519', 1, now + 2, false));
  index.putFound([foundOf('hs', 'aidb', 2, 1)]);
  assert.deepEqual(idsOf(index.signatureKeys('aidb')), ['key-2', 'key-1', 'env:1']);
  assert.deepEqual(idsOf(index.signatureKeys('key-1')), ['key-1']);
  assert.deepEqual(idsOf(index.signatureKeys('env:1')), ['env:1']);
  assert.deepEqual(index.signatureKeys('embeddings'), []);
  const [entry] = index.signatureKeys('key-1');
  const [mac] = index.macKeys('aidb');
  assert.equal(entry?.principal.scheme, 'http-signature');
  assert.equal(mac?.principal.scheme, 'service-signature');
  assert.equal(entry?.principal.id, mac?.principal.id);
  assert.ok(entry && mac && index.holds(entry.principal, now) && index.holds(mac.principal, now));
  index.putRevoked(sha256Hex(secrets[0] ?? ''));
  assert.ok(!index.holds(entry.principal, now) && !index.holds(mac.principal, now));
  assert.equal(index.signatureKeys('key-1')[0]?.revoked, true);
});

test('a service that is called as a key of another one is: both are candidates, and each proves its own', () => {
  const index = keyIndex(seal);
  index.putRecord('key-3', recordOf('key-3', 'aidb', 'hs', 0, now, false));
  index.putRecord('key-4', recordOf('key-4', 'key-3', 'hs', 1, now + 2, false));
  const candidates = index.signatureKeys('key-3');
  assert.deepEqual(
    candidates.map(({ principal }) => principal.id),
    ['service:key-3', 'service:aidb'],
  );
});

test('verifies with an HMAC secret and with a public key, and refuses a signature of any other length', async () => {
  const index = keyIndex(seal);
  index.putRecord('key-1', recordOf('key-1', 'aidb', 'hs', 0, now, false));
  index.putRecord('key-2', recordOf('key-2', 'aidb', 'ed25519', 1, now, false));
  const base = '"@method": GET\n"@signature-params": ("@method")';
  const mac = hmacSha256(Buffer.from(secrets[0] ?? '')).bytes(Buffer.from(base));
  const hmac = index.signatureKeys('key-1')[0];
  const right = mac.toString('base64');
  assert.equal(hmac?.verify(base, right), true);
  assert.equal(hmac?.verify(`${base} `, right), false);
  for (const [at, byte] of mac.entries()) {
    const wrong = Buffer.from(mac);
    wrong[at] = byte ^ 1;
    assert.equal(hmac?.verify(base, wrong.toString('base64')), false);
  }
  for (const wrong of [mac.subarray(0, 31), Buffer.concat([mac, mac]), Buffer.alloc(0)])
    assert.equal(hmac?.verify(base, wrong.toString('base64')), false);
  // The same bytes, written otherwise.
  for (const wrong of [mac.toString('base64url'), right.slice(0, -1), ` ${right}`, mac.toString('hex')])
    assert.equal(hmac?.verify(base, wrong), false);
  const ed = index.signatureKeys('key-2')[0];
  for (const length of [0, 63, 64, 65])
    assert.equal(await ed?.verify(base, Buffer.alloc(length).toString('base64')), false);
  const signature = Buffer.from(await ed25519PrivateKey(pairs[1]?.privatePem ?? '').sign(Buffer.from(base)));
  assert.equal(await ed?.verify(base, signature.toString('base64')), true);
  assert.equal(await ed?.verify(base, signature.toString('base64url')), false);
});

test('a change leaves the lists alone that others hold, also in the middle of an asynchronous look through them', () => {
  const index = keyIndex(seal);
  index.putRecord('key-1', recordOf('key-1', 'aidb', 'hs', 0, now, false));
  const held = index.signatureKeys('aidb');
  index.putRecord('key-2', recordOf('key-2', 'aidb', 'hs', 1, now + 2, false));
  index.putRecord('key-1', null);
  assert.deepEqual(idsOf(held), ['key-1']);
  assert.deepEqual(idsOf(index.signatureKeys('aidb')), ['key-2']);
});

function idsOf(entries: readonly { readonly principal: { readonly credentialId: string } }[]): string[] {
  return entries.map(({ principal }) => principal.credentialId);
}
