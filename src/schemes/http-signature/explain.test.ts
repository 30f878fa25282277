import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ed25519Pair, ed25519PrivateKey } from '../../crypto/ed25519.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { explainHttpSignature, type HeldSignatureKey } from './explain.ts';
import { contentDigest } from './content-digest.ts';
import { signHttpRequest, type RequestToSign, type SigningKey } from './sign.ts';

const secret = '0123456789abcdef'.repeat(4);
const body = Buffer.from('{"input":"hello"}');
const keyid = 'aidb';
const hmac = (key: Buffer, spoil: (base: string) => string = (base) => base): SigningKey => ({
  keyid,
  sign: (base) => hmacSha256(key).bytes(Buffer.from(spoil(base), 'latin1')),
});
const right = hmac(Buffer.from(secret));

interface Arrived {
  readonly method?: string;
  readonly target?: string;
  readonly authority?: string;
  readonly body?: Buffer | null;
  readonly fields?: Readonly<Record<string, readonly string[]>>;
}

/** Signs one request and asks about another, as the verifier saw it. */
async function explained(
  change: Partial<RequestToSign>,
  key: SigningKey = right,
  arrived: Arrived = {},
  keys: readonly HeldSignatureKey[] = [{ kind: 'hs', secret }],
): Promise<Awaited<ReturnType<typeof explainHttpSignature>>> {
  const sent: RequestToSign = {
    method: 'POST',
    target: '/embeddings/embed?model=a',
    authority: '127.0.0.1:8700',
    scheme: 'http',
    body,
    created: 1_800_000_000,
    nonce: 'n',
    ...change,
  };
  const { headers } = await signHttpRequest(sent, key);
  const fields: Record<string, readonly string[]> = {
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    ...arrived.fields,
  };
  const received = arrived.body === undefined ? sent.body : arrived.body;
  return explainHttpSignature({
    request: {
      method: arrived.method ?? 'POST',
      target: arrived.target ?? '/embeddings/embed?model=a',
      authority: arrived.authority ?? '127.0.0.1:8700',
      protocol: 'http',
      fields: (name) => fields[name] ?? [],
      bodyPresence: received === null ? 'none' : 'present',
      body: async () => received ?? Buffer.alloc(0),
    },
    keysOf: async (id) => (id === keyid ? keys : []),
    prefixes: ['/embeddings'],
  });
}

test('has nothing to say of a right signature, and shows its base', async () => {
  const { matches, difference, base } = await explained({});
  assert.equal(difference, null);
  assert.ok(matches);
  assert.match(base ?? '', /^"@method": POST\n"@authority": 127\.0\.0\.1:8700\n/);
  assert.equal((await explained({ body: null })).difference, null);
});

test('knows both kinds of keys, and tells a wrong pair', async () => {
  const [one, other] = [await ed25519Pair(), await ed25519Pair()];
  const pair = ed25519PrivateKey(one.privatePem);
  const key: SigningKey = { keyid, sign: (base) => pair.sign(Buffer.from(base, 'latin1')) };
  const held = ({ publicPem }: { publicPem: string }) => [{ kind: 'ed25519', publicPem } as const];
  assert.ok((await explained({}, key, {}, held(one))).matches);
  assert.match((await explained({}, key, {}, held(other))).difference ?? '', /another key than that of "aidb"/);
  assert.match((await explained({ target: '/embed?model=a' }, key, {}, held(one))).difference ?? '', /prefix belongs/);
  assert.match((await explained({}, right, {}, held(one))).difference ?? '', /32 bytes, and ed25519 makes 64/);
});

const spoilt = (spoil: (base: string) => string) => [{}, hmac(Buffer.from(secret), spoil)] as const;
const mistakes: readonly [what: string, says: RegExp, ...Parameters<typeof explained>][] = [
  ['the method in lower case', /method was signed as "post"/, { method: 'post' }],
  ['the host without its port', /host was signed as "127\.0\.0\.1", .*"127\.0\.0\.1:8700"/, { authority: '127.0.0.1' }],
  ['the name of the host', /host was signed as "localhost:8700"/, { authority: 'localhost:8700' }],
  ['the path without the prefix', /prefix belongs to the path/, { target: '/embed?model=a' }],
  ['the prefix twice', /once more/, { target: '/embeddings/embeddings/embed?model=a' }],
  ['a trailing slash', /with a trailing slash/, { target: '/embeddings/embed/?model=a' }],
  ['no query', /query was left out/, { target: '/embeddings/embed' }],
  ['the query without its mark', /without its question mark/, ...spoilt((base) => base.replace('?model', 'model'))],
  ['a line break at the end', /ends in a line break/, ...spoilt((base) => `${base}\n`)],
  ['CRLF', /joined with CRLF/, ...spoilt((base) => base.replaceAll('\n', '\r\n'))],
  ['a key with a line break', /trailing line break/, {}, hmac(Buffer.from(`${secret}\n`))],
  ['a key decoded from hex', /decoded from hex/, {}, hmac(Buffer.from(secret, 'hex'))],
  ['another key', /another key than that of "aidb" \(fingerprint /, {}, hmac(Buffer.from('f'.repeat(64)))],
  ['a keyid that nobody knows', /no key of "web" is known/, {}, { ...right, keyid: 'web' }],
  ['another body', /body is not the one that was signed/, {}, right, { body: Buffer.from('{}') }],
  ['a body that came on top', /body that the signature does not cover/, { body: null }, right, { body }],
  ['no signature', /carries no Signature-Input/, {}, right, { fields: { 'signature-input': [] } }],
  ['two lines', /must each be one line/, {}, right, { fields: { signature: ['a=:AA==:', 'b=:AA==:'] } }],
  [
    'no digest',
    /covers "content-digest", which the request does not carry/,
    {},
    right,
    { fields: { 'content-digest': [] } },
  ],
  [
    'another digest',
    /another key than|line by line/,
    {},
    right,
    { fields: { 'content-digest': [contentDigest(Buffer.from('{}'))] } },
  ],
  [
    'a field that is no structured one',
    /canonical base64/,
    {},
    right,
    { fields: { signature: [`countersign=:${Buffer.from('x').toString('hex')}:`] } },
  ],
];
for (const [what, says, ...question] of mistakes)
  test(`names the first difference: ${what}`, async () => {
    const { matches, difference } = await explained(...question);
    assert.match(difference ?? 'none', says);
    assert.equal(matches, false);
    assert.ok(!difference?.includes(secret));
  });

test('names the first difference: hex in place of bytes', async () => {
  const sign = async (base: string) => Buffer.from(Buffer.from(await right.sign(base)).toString('hex'));
  assert.match((await explained({}, { keyid, sign })).difference ?? '', /written as hex/);
});
