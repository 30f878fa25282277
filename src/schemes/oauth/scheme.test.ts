import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { away, exampleRequest, schemeContract } from '../scheme.contract.ts';
import type { TokenIssuer } from './issuer.ts';
import { keyFinder } from './key-set.ts';
import { remoteIssuer } from './remote-issuer.ts';
import { oauth } from './scheme.ts';

const resource = 'https://tools.example.org/embeddings';
const iss = 'https://login.example.org';
const { publicKey, privateKey } = await generateKeyPair('ES256');
const keys = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'a' }] };
const now = 1_800_000_000;
const claims = { iss, aud: resource, sub: 'anna', client_id: 'agent', jti: 'one', iat: now, exp: now + 60 };
const signed = (changed: object = {}, typ = 'at+jwt') =>
  new SignJWT({ ...claims, ...changed }).setProtectedHeader({ alg: 'ES256', kid: 'a', typ }).sign(privateKey);
const bearer = (token: string) => exampleRequest({ headers: { authorization: `Bearer ${token}` } });

const good = await signed();
const [ended, elsewhere, idToken] = [await signed({ exp: now }), await signed({ aud: iss }), await signed({}, 'JWT')];

function scheme(find = keyFinder(keys)) {
  return trusting(() => issuerWith(find));
}

function issuerWith(find: TokenIssuer['key']): TokenIssuer {
  return { issuer: iss, key: find, generation: 1, isRevoked: () => false };
}

function trusting(issuer: () => TokenIssuer) {
  return oauth({
    resource,
    metadataUrl: 'https://tools.example.org/.well-known/oauth-protected-resource/embeddings',
    scopes: [],
    issuer: (name) => (name === iss ? issuer() : null),
    clock: () => now,
    once: async () => true,
    dpopRequired: false,
  });
}

schemeContract('oauth', () => ({
  scheme: scheme(),
  accepted: bearer(good),
  principalId: 'client:agent',
  broken: [
    { what: 'an expired token', request: bearer(ended), reason: 'expired' },
    { what: 'a token for somebody else', request: bearer(elsewhere), reason: 'invalid_credentials' },
    { what: 'another kind of JWT', request: bearer(idToken), reason: 'invalid_credentials' },
    { what: 'a token cut off', request: bearer(good.slice(0, -4)), reason: 'invalid_credentials' },
    {
      what: 'a token in the query',
      request: exampleRequest({ target: `/embeddings/embed?access_token=${good}` }),
      reason: 'malformed_credentials',
    },
  ],
  foreign: [
    exampleRequest({ headers: { 'x-api-key': 'a-key' } }),
    bearer('d5f5a6a4-6f1c-4c5e-9a5e-0b6b2f1d7c11'),
    exampleRequest({ headers: { 'x-service-id': 'aidb' } }),
  ],
  secrets: [good, ended, elsewhere],
  fields: ['authorization', 'dpop', 'x-api-key'],
  outage: { scheme: scheme(async () => away()), request: bearer(good) },
}));

test('a token that is being verified while its key is withdrawn is not remembered as good', async () => {
  let generation = 1;
  let find = keyFinder(keys);
  const issuer: TokenIssuer = {
    issuer: iss,
    get generation() {
      return generation;
    },
    async key(header) {
      const found = await find(header);
      find = keyFinder({ keys: [] });
      generation = 2;
      return found;
    },
    isRevoked: () => false,
  };
  const judge = trusting(() => issuer);
  await judge.authenticate(bearer(good));
  const verdict = await judge.authenticate(bearer(good));
  assert.equal(verdict?.allowed, false);
});

test('what was verified with the keys of one place does not count when the issuer has another', async () => {
  let issuer = issuerWith(keyFinder(keys));
  const judge = trusting(() => issuer);
  assert.equal((await judge.authenticate(bearer(good)))?.allowed, true);
  issuer = issuerWith(keyFinder({ keys: [] }));
  assert.equal((await judge.authenticate(bearer(good)))?.allowed, false);
});

test('keys are kept while their issuer is away, for a day and no longer, and it is not asked on every request', async () => {
  let time = 0;
  let asked = 0;
  let up = true;
  const remote = remoteIssuer({
    issuer: iss,
    jwksUri: `${iss}/jwks`,
    clock: () => time,
    fetchJson: async () => {
      asked += 1;
      if (!up) throw new Error('away');
      return keys;
    },
  });
  const header = { alg: 'ES256', kid: 'a' };
  assert.ok(await remote.key(header));
  up = false;
  for (time = 3600; time < 3700; time += 1) assert.ok(await remote.key(header));
  assert.ok(asked < 10, `asked ${asked} times in 100 seconds`);
  time = 90_000;
  await assert.rejects(remote.key(header), { code: 'issuer_unavailable' });
  up = true;
  time += 301;
  assert.ok(await remote.key(header));
});

test('a key that an issuer has changed is asked for after our clock was set back', async () => {
  let time = 10_000;
  let served: { keys: readonly object[] } = { keys: [] };
  const remote = remoteIssuer({
    issuer: iss,
    jwksUri: `${iss}/jwks`,
    clock: () => time,
    fetchJson: async () => served,
  });
  const header = { alg: 'ES256', kid: 'a' };
  assert.equal(await remote.key(header), null);
  time -= 7200;
  served = keys;
  assert.ok(await remote.key(header));
});

test('metadata that names another issuer is not believed', async () => {
  const metadata = { issuer: 'https://evil.example.org', jwks_uri: 'https://evil.example.org/jwks' };
  const fetchJson = async (url: string) => (url.endsWith('/jwks') ? keys : metadata);
  const remote = remoteIssuer({ issuer: iss, jwksUri: null, fetchJson, clock: () => 0 });
  await assert.rejects(remote.key({ alg: 'ES256', kid: 'a' }), { code: 'issuer_unavailable' });
});
