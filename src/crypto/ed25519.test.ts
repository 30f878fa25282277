import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { test } from 'node:test';
import * as fc from '../../test/fixtures/properties.ts';
import { ed25519Pair, ed25519PrivateKey, ed25519PublicKey, ed25519PublicPem } from './ed25519.ts';

test('signs as OpenSSL does, and verifies what OpenSSL signed', async () => {
  const { privatePem, publicPem } = await ed25519Pair();
  const [mine, theirs] = [ed25519PrivateKey(privatePem), ed25519PublicKey(publicPem)];
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (message) => {
      // Ed25519 is deterministic (RFC 8032 §5.1.6), so there is one right signature.
      const signature = sign(null, message, privatePem);
      assert.deepEqual(Buffer.from(await mine.sign(message)), signature);
      assert.equal(await theirs.verify(message, signature), true);
      assert.equal(await theirs.verify(Buffer.concat([message, Buffer.from('x')]), signature), false);
    }),
    { numRuns: 50 },
  );
});

test('takes the first vector of RFC 8032 §7.1', async () => {
  const spki = Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex'),
  ]);
  const pem = createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'pem', type: 'spki' });
  const signature = Buffer.from(
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    'hex',
  );
  const key = ed25519PublicKey(pem.toString());
  assert.equal(await key.verify(Buffer.alloc(0), signature), true);
  signature[63] = (signature[63] as number) ^ 0x10;
  assert.equal(await key.verify(Buffer.alloc(0), signature), false);
});

test('a signature of another length is refused and not handed on', async () => {
  const key = ed25519PublicKey((await ed25519Pair()).publicPem);
  for (const length of [0, 1, 63, 65, 128])
    assert.equal(await key.verify(Buffer.from('m'), Buffer.alloc(length)), false);
});

test('a public key has one form, and a private one is refused in its place', async () => {
  const { privatePem, publicPem } = await ed25519Pair();
  assert.equal(ed25519PublicPem(publicPem), publicPem);
  assert.equal(ed25519PublicPem(`\r\n${publicPem.replaceAll('\n', '\r\n')}  `), publicPem);
  assert.throws(() => ed25519PublicPem(privatePem), /private key, where the public half belongs/);
  assert.ok(verify(null, Buffer.from('m'), publicPem, sign(null, Buffer.from('m'), privatePem)));
});

test('keys of another kind, and what is no key, are refused without a word of them', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const x25519 = generateKeyPairSync('x25519');
  const texts = [
    '',
    'secret-words',
    '-----BEGIN PUBLIC KEY-----\nsecret-words\n-----END PUBLIC KEY-----\n',
    ...[rsa, x25519].map(({ publicKey }) => publicKey.export({ type: 'spki', format: 'pem' }).toString()),
  ];
  for (const text of texts) {
    for (const read of [ed25519PublicKey, ed25519PublicPem, ed25519PrivateKey]) {
      assert.throws(
        () => read(text),
        (error) => {
          assert.ok(error instanceof TypeError);
          assert.match(error.message, /^not an Ed25519 (?:public|private) key in PEM form$/);
          return true;
        },
      );
    }
  }
});

test('a key under which anybody can sign is none, whatever its sign', () => {
  for (const point of [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    `01${'00'.repeat(30)}80`,
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    `ec${'ff'.repeat(31)}`,
    `ee${'ff'.repeat(30)}7f`,
  ]) {
    const der = Buffer.from(`302a300506032b6570032100${point}`, 'hex').toString('base64');
    const pem = `-----BEGIN PUBLIC KEY-----\n${der}\n-----END PUBLIC KEY-----\n`;
    assert.throws(() => ed25519PublicPem(pem), TypeError, point);
    assert.throws(() => ed25519PublicKey(pem), TypeError, point);
  }
});
