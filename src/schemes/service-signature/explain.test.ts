import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { fingerprint } from '../../crypto/digest.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { explainSignature, type SignatureQuestion } from './explain.ts';

const secret = '0123456789abcdef'.repeat(4);
const timestamp = '1759744800';
const target = '/embeddings/v1/Embed%20it?model=a';
const path = '/embeddings/v1/Embed%20it';
const right = `main-backend:POST:${path}:${timestamp}`;

const question: SignatureQuestion = {
  serviceId: 'main-backend',
  method: 'POST',
  target,
  timestamp,
  signature: mac(secret, right),
  secrets: [secret],
  prefix: '/embeddings',
};

function mac(key: string | Buffer, message: string): string {
  return hmacSha256(Buffer.from(key)).bytes(Buffer.from(message)).toString('hex');
}

function difference(change: Partial<SignatureQuestion>): string {
  const answer = explainSignature({ ...question, ...change });
  assert.equal(answer.matches, false);
  return answer.difference ?? '';
}

test('a right signature matches, and the exact string is shown', () => {
  const answer = explainSignature(question);
  assert.deepEqual(answer, { matches: true, message: right, fingerprints: [fingerprint(secret)], difference: null });
});

test('a right signature by any of several keys matches', () => {
  assert.equal(explainSignature({ ...question, secrets: ['another', secret] }).matches, true);
});

const messages: readonly [string, string, RegExp][] = [
  ['the method in lower case', `main-backend:post:${path}:${timestamp}`, /method was signed as "post"/],
  ['the query', `main-backend:POST:${target}:${timestamp}`, /query was signed/],
  ['no prefix', `main-backend:POST:/v1/Embed%20it:${timestamp}`, /without its first part.*prefix/],
  ['the prefix twice', `main-backend:POST:/embeddings${path}:${timestamp}`, /with the prefix \/embeddings/],
  ['a trailing slash', `main-backend:POST:${path}/:${timestamp}`, /with a trailing slash/],
  ['another letter case', `main-backend:POST:${path.toLowerCase()}:${timestamp}`, /lower case/],
  ['a decoded path', `main-backend:POST:/embeddings/v1/Embed it:${timestamp}`, /signed decoded/],
  ['another id', `main_backend:POST:${path}:${timestamp}`, /service id was signed as "main_backend"/],
  ['an older time', `main-backend:POST:${path}:1759744798`, /timestamp is not the sent one.*2 s older/],
  ['a newer time', `main-backend:POST:${path}:1759744801`, /1 s newer/],
  ['milliseconds', `main-backend:POST:${path}:${timestamp}000`, /milliseconds/],
  ['a trailing line break', `${right}\n`, /ends in a line break/],
  ['other separators', right.replaceAll(':', '|'), /joined with "\|"/],
  ['no id', `POST:${path}:${timestamp}`, /id was left out/],
];
for (const [what, message, words] of messages)
  test(`names the mistake: ${what}`, () => {
    assert.match(difference({ signature: mac(secret, message) }), words);
  });

const keys: readonly [string, string | Buffer, RegExp][] = [
  ['a trailing line break', `${secret}\n`, /key has a trailing line break/],
  ['a Windows line break', `${secret}\r\n`, /CRLF/],
  ['decoded from hex', Buffer.from(secret, 'hex'), /decoded from hex/],
  ['decoded from base64', Buffer.from(secret, 'base64'), /decoded from base64/],
  ['in upper case', secret.toUpperCase(), /another letter case/],
  ['in quotes', `"${secret}"`, /quotes/],
  ['with its name', `SERVICE_KEY=${secret}`, /whole line/],
];
for (const [what, key, words] of keys)
  test(`names the mistake: the key ${what}`, () => {
    assert.match(difference({ signature: mac(key, right) }), words);
  });

test('names the encoding of the signature: upper-case hex, base64, with a name before it', () => {
  const hex = mac(secret, right);
  assert.match(difference({ signature: hex.toUpperCase() }), /upper-case hex/);
  assert.match(difference({ signature: Buffer.from(hex, 'hex').toString('base64') }), /base64/);
  assert.match(difference({ signature: Buffer.from(hex, 'hex').toString('base64url') }), /base64/);
  assert.match(difference({ signature: `sha256=${hex}` }), /something around it/);
  assert.match(difference({ signature: 'ab'.repeat(64) }), /HMAC-SHA-256/);
});

test('names several mistakes at once', () => {
  const said = difference({ signature: mac(`${secret}\n`, right.replace('POST', 'post')).toUpperCase() });
  assert.match(said, /method was signed as "post".*; and the key has a trailing line break.*; and .*upper-case hex/);
});

test('a trailing slash that the request has and the caller did not sign', () => {
  const said = difference({ target: '/a/', signature: mac(secret, `main-backend:POST:/a:${timestamp}`) });
  assert.match(said, /without its trailing slash/);
});

const told = (signedMessage: string) => difference({ signature: mac('another', signedMessage), signedMessage });

test('says the first difference of the string that the caller shows', () => {
  assert.match(told(right.replace('main', 'side')), /service id differs: the caller signed "side-backend"/);
  assert.match(told(right.replace('POST', 'Post')), /method differs.*letter case counts/);
  assert.match(told(`main-backend:POST:/v1/Embed%20it:${timestamp}`), /path differs.*prefix included/);
  assert.match(told(`main-backend:POST:${target}:${timestamp}`), /query is not signed/);
  assert.match(told(right.replace(timestamp, '1759740000')), /timestamp differs/);
  assert.match(told(`${right}\n`), /line break/);
  assert.match(told('something else'), /not of the form/);
});

test('tells another key by its fingerprint', () => {
  const signature = mac('another', right);
  assert.match(difference({ signature, signedMessage: right, signedWith: fingerprint('another') }), /another key/);
  assert.match(
    difference({ signature, signedWith: fingerprint(secret), signedMessage: right }),
    /string and key are ours/,
  );
  const unsaid = difference({ signature });
  assert.match(unsaid, /most likely made with another key/);
  assert.match(unsaid, new RegExp(fingerprint(secret)));
});

test('without a signature, string and fingerprint are compared', () => {
  const asked = { ...question, signature: null };
  assert.equal(explainSignature({ ...asked, signedMessage: right, signedWith: fingerprint(secret) }).matches, true);
  assert.match(explainSignature({ ...asked, signedMessage: `x${right}` }).difference ?? '', /service id differs/);
  assert.equal(explainSignature(asked).matches, false);
});

test('an unknown service is told from a wrong signature', () => {
  assert.match(difference({ secrets: [] }), /no service key of main-backend is known/);
});

test('shows no secret and never throws, whatever is asked', () => {
  const anything = fc.string({ unit: 'binary', maxLength: 80 });
  fc.assert(
    fc.property(
      anything,
      anything,
      anything,
      anything,
      anything,
      fc.option(anything, { nil: undefined }),
      (...texts) => {
        const [serviceId, method, asked, time, signature, signedMessage] = texts;
        const held = ['a secret that nobody may see'];
        const answer = explainSignature({
          serviceId,
          method,
          target: asked,
          timestamp: time,
          signature,
          secrets: held,
          signedMessage,
        });
        assert.equal(JSON.stringify(answer).includes(held[0] ?? ''), false);
        assert.equal(answer.matches, false);
      },
    ),
    { numRuns: 50 },
  );
});
