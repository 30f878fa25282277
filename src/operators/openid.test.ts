/** What is refused of a provider that lies, or that somebody stands in front of. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { SignJWT, type JWTPayload } from 'jose';
import { testKey, type TestKey } from '../../test/fixtures/oauth-issuer.ts';
import { openidProvider, OpenidError, type OpenidProvider } from './openid.ts';

const clientSecret = 'a secret that is long enough for a key, too';
let issuer: string;
let key: TestKey;
/** What the token endpoint hands out next, and what was asked of it. */
let idToken: () => Promise<string | undefined>;
let metadata: Record<string, unknown> = {};
const asked: string[] = [];
const server = createServer((req, res) => {
  asked.push(req.url ?? '');
  const answer = async (): Promise<object | null> => {
    if (req.url === '/.well-known/openid-configuration')
      return {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        ...metadata,
      };
    if (req.url === '/jwks') return { keys: [key.publicJwk] };
    if (req.url === '/token') return { access_token: 'a', token_type: 'Bearer', id_token: await idToken() };
    return null;
  };
  void answer().then((body) =>
    res.writeHead(body ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
  );
});

before(async () => {
  key = await testKey('RS256', 'one');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

function provider(fetched: typeof fetch = fetch): OpenidProvider {
  return openidProvider({
    issuer,
    clientId: 'countersign',
    clientSecret: () => clientSecret,
    scopes: [],
    fetch: (url, init) => fetched(url, init),
    clock: () => Date.now() / 1000,
  });
}

interface Lie {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  readonly signer?: Parameters<SignJWT['sign']>[0];
  readonly token?: (nonce: string) => string | undefined;
}

async function login(lie: Lie, { query = {}, fresh = false, at = provider() } = {}) {
  const { attempt } = await at.begin('http://127.0.0.1:1/cb', fresh);
  idToken = async () => {
    if (lie.token) return lie.token(attempt.nonce);
    const now = Math.floor(Date.now() / 1000);
    const usual = { iss: issuer, aud: 'countersign', sub: 'u', nonce: attempt.nonce, iat: now, exp: now + 60 };
    return new SignJWT({ ...usual, ...lie.claims } as JWTPayload)
      .setProtectedHeader({ alg: 'RS256', kid: 'one', ...lie.header })
      .sign(lie.signer ?? key.privateKey);
  };
  return at.finish(`${new URLSearchParams({ code: 'c', state: attempt.state, ...query })}`, attempt);
}

const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a token that holds is believed', async () => {
  assert.equal((await login({}))['sub'], 'u');
});

const now = Math.floor(Date.now() / 1000);
const unsigned = (nonce: string): string =>
  `${b64({ alg: 'none' })}.${b64({ iss: issuer, aud: 'countersign', sub: 'u', nonce, iat: now, exp: now + 300 })}.`;
const lies: Readonly<Record<string, () => Promise<unknown>>> = {
  'another nonce': () => login({ claims: { nonce: 'another' } }),
  'no nonce': () => login({ claims: { nonce: undefined } }),
  'another audience': () => login({ claims: { aud: 'another' } }),
  'several audiences, made for another': () => login({ claims: { aud: ['countersign', 'other'], azp: 'other' } }),
  'another issuer': () => login({ claims: { iss: 'https://evil.example.org' } }),
  'a token that has ended': () => login({ claims: { exp: now - 120 } }),
  'no end': () => login({ claims: { exp: undefined } }),
  'no signature': () => login({ token: unsigned }),
  'no token': () => login({ token: () => undefined }),
  'the shared secret for a key': () => login({ header: { alg: 'HS256' }, signer: Buffer.from(clientSecret) }),
  'a stranger’s key': async () => login({ signer: (await testKey('RS256', 'one')).privateKey }),
  'an old login where a new one was asked for': () => login({ claims: { auth_time: now - 900 } }, { fresh: true }),
  'a login of unknown age where a new one was asked for': () => login({}, { fresh: true }),
  'an answer of another issuer': () => login({}, { query: { iss: 'https://evil.example.org' } }),
  'another state': () => login({}, { query: { state: 'x' } }),
};
for (const [what, lie] of Object.entries(lies))
  test(`refused: ${what}`, () =>
    assert.rejects(lie(), (error: unknown) => error instanceof OpenidError && error.code === 'openid_wrong'));

test('algorithms that the provider itself calls good enough are not', async (t) => {
  metadata = { id_token_signing_alg_values_supported: ['none', 'HS256', 'RS256'] };
  t.after(() => (metadata = {}));
  await assert.rejects(login({ token: unsigned }), { code: 'openid_wrong' });
  await assert.rejects(login({ header: { alg: 'HS256' }, signer: Buffer.from(clientSecret) }), {
    code: 'openid_wrong',
  });
});

test('metadata of another issuer is not believed, and no endpoint in the clear but the provider’s own', async (t) => {
  t.after(() => (metadata = {}));
  metadata = { issuer: 'https://evil.example.org' };
  await assert.rejects(login({}), { code: 'openid_unavailable' });
  metadata = { token_endpoint: 'http://127.0.0.1:1/token' };
  await assert.rejects(login({}), { code: 'openid_wrong', message: /neither encrypted nor of/ });
});

test('the provider’s refusal is told from an answer that does not hold', async () => {
  const at = provider();
  const { attempt } = await at.begin('http://127.0.0.1:1/cb', false);
  const query = new URLSearchParams({ error: 'access_denied', state: attempt.state });
  await assert.rejects(at.finish(`${query}`, attempt), { code: 'openid_refused' });
});

test('metadata and keys are asked for once, not for each login', async () => {
  const at = provider();
  asked.length = 0;
  for (let time = 0; time < 3; time += 1) await login({}, { at });
  assert.deepEqual(
    asked.filter((path) => path !== '/token'),
    ['/.well-known/openid-configuration', '/jwks'],
  );
});
