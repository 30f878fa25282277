/**
 * The signatures of RFC 9421 (test/vectors/rfc9421.json). They use components and algorithms that our profile refuses, so they go
 * through the parser and the signature base, which know them all, and not through the scheme.
 */
import assert from 'node:assert/strict';
import { constants, createHmac, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { contentDigest, digestMatches, parseContentDigest } from './content-digest.ts';
import { signatureBase, type SignedMessage } from './base.ts';
import { DictionaryFault, parseSignatureInput, parseSignatures } from './dictionary.ts';
import { profiled } from './profile.ts';

interface Message {
  readonly start: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}
interface Vector {
  readonly name: string;
  readonly message: string;
  readonly request?: string;
  readonly alg: string;
  readonly key: string;
  readonly label: string;
  readonly base?: string;
  readonly signatureInput: string;
  readonly signature: string;
  readonly expect?: 'valid' | 'INVALID';
}
interface Vectors {
  readonly keys: Record<string, { publicPem?: string; privatePem?: string; base64?: string }>;
  readonly messages: Record<string, Message>;
  readonly vectors: readonly Vector[];
}

const file = new URL('../../../test/vectors/rfc9421.json', import.meta.url);
const { keys, messages, vectors } = JSON.parse(readFileSync(file, 'utf8')) as Vectors;

function signedMessage(name: string, request?: string): SignedMessage {
  const message = messages[name];
  assert.ok(message, `no message ${name}`);
  const [first = '', second = ''] = message.start.split(' ');
  const fields = (field: string): string[] =>
    message.headers.filter(([key]) => key.toLowerCase() === field).map(([, value]) => value);
  if (first.startsWith('HTTP/')) {
    const answers = request === undefined ? {} : { request: signedMessage(request) };
    return { method: '', target: '', authority: '', protocol: 'https', status: Number(second), fields, ...answers };
  }
  return {
    method: first,
    target: second,
    authority: fields('host')[0]?.toLowerCase() ?? '',
    protocol: 'https',
    fields,
  };
}

function verifies(vector: Vector, base: string, signature: Buffer): boolean {
  const key = keys[vector.key];
  const data = Buffer.from(base);
  if (vector.alg === 'hmac-sha256') {
    return createHmac('sha256', Buffer.from(key?.base64 ?? '', 'base64'))
      .update(data)
      .digest()
      .equals(signature);
  }
  const publicKey: KeyObject = createPublicKey(key?.publicPem ?? '');
  switch (vector.alg) {
    case 'ed25519':
      return verify(null, data, publicKey, signature);
    case 'ecdsa-p256-sha256':
      return verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
    case 'rsa-v1_5-sha256':
      return verify('sha256', data, publicKey, signature);
    case 'rsa-pss-sha512':
      return verify(
        'sha512',
        data,
        { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 },
        signature,
      );
    default:
      throw new Error(`no verifier for ${vector.alg}`);
  }
}

test('all nineteen vectors are here', () => {
  assert.equal(vectors.length, 19);
  assert.equal(vectors.filter(({ expect }) => expect === 'INVALID').length, 2);
});

for (const vector of vectors) {
  test(`RFC 9421 ${vector.name}: the base is reproduced and the signature is judged as the RFC does`, () => {
    const input = parseSignatureInput(vector.signatureInput).find(({ label }) => label === vector.label);
    assert.ok(input);
    const base = signatureBase(signedMessage(vector.message, vector.request), input.components, input.text);
    assert.ok(base !== null);
    if (vector.base !== undefined) assert.equal(base, vector.base);
    const signature = parseSignatures(vector.signature).get(vector.label);
    assert.ok(signature !== undefined);
    assert.equal(verifies(vector, base, Buffer.from(signature)), vector.expect !== 'INVALID');
  });
}

test('the deterministic signatures are reproduced', () => {
  const deterministic = vectors.filter(
    ({ alg, expect }) => (alg === 'hmac-sha256' || alg === 'ed25519') && expect !== 'INVALID',
  );
  assert.ok(deterministic.length >= 2);
  for (const vector of deterministic) {
    const key = keys[vector.key];
    const data = Buffer.from(vector.base ?? '');
    const made =
      vector.alg === 'hmac-sha256'
        ? createHmac('sha256', Buffer.from(key?.base64 ?? '', 'base64'))
            .update(data)
            .digest()
        : sign(null, data, key?.privatePem ?? '');
    assert.deepEqual(made, parseSignatures(vector.signature).get(vector.label));
  }
});

test('none of them is in our profile, which wants more and accepts less', () => {
  for (const vector of vectors) {
    for (const input of parseSignatureInput(vector.signatureInput))
      assert.throws(() => profiled(input), DictionaryFault);
  }
});

test('the content digests of the messages fit their bodies', () => {
  let compared = 0;
  for (const { headers, body } of Object.values(messages)) {
    const line = headers.find(([name]) => name.toLowerCase() === 'content-digest')?.[1];
    if (line === undefined) continue;
    const digest = parseContentDigest(line);
    assert.ok(digest, line);
    // Some messages in the RFC are shown with their body left out.
    if (body === '') continue;
    assert.ok(digestMatches(digest, Buffer.from(body)), line);
    assert.ok(!digestMatches(digest, Buffer.from(`${body} `)));
    compared += 1;
  }
  assert.ok(compared >= 3);
});

test('our own content digest reads back and nothing looser does', () => {
  const line = contentDigest(Buffer.from('{"hello": "world"}'));
  assert.equal(parseContentDigest(line)?.algorithm, 'sha-256');
  for (const loose of [
    '',
    'md5=:abcd:',
    `${line}, md5=:abcd:`,
    line.replace('sha-256', 'SHA-256'),
    `${line};x`,
    'sha-256=:AAAA:',
    ` ${line}`,
  ])
    assert.equal(parseContentDigest(loose), null, loose);
});
