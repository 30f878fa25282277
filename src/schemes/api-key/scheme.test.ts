import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiKeyEntry, Keyring } from '../../core/credential.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Denied, Verdict } from '../../core/verdict.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { mintKey } from '../../crypto/key-format.ts';
import { away, exampleRequest, schemeContract } from '../scheme.contract.ts';
import { apiKey, apiKeyHeaders, type ApiKeyForm } from './index.ts';

const now = 1_759_744_800;
const minted = mintKey('sk');
const unknown = mintKey('sk');
const revoked = mintKey('sk');
const expired = mintKey('sk');
const foreign = '5f'.repeat(32);
const shared = '6e'.repeat(32);
const sharedElsewhere = '7d'.repeat(32);
const mistyped = minted.key.slice(0, 30) + (minted.key[30] === 'a' ? 'b' : 'a') + minted.key.slice(31);

function entry(id: string, credentialId: string, more: Partial<ApiKeyEntry> = {}): ApiKeyEntry {
  const principal = { id, scheme: 'api-key', credentialId, scopes: [], expiresAt: null, addresses: null };
  return { principal, acceptedAt: null, expiresAt: null, revoked: false, ...more };
}

const entries = new Map<string, ApiKeyEntry>([
  [sha256Hex(minted.key), entry('service:aidb', minted.id)],
  [sha256Hex(foreign), entry('service:legacy', 'imported01')],
  [sha256Hex(revoked.key), entry('service:aidb', revoked.id, { revoked: true, expiresAt: now - 10 })],
  [sha256Hex(expired.key), entry('service:aidb', expired.id, { expiresAt: now })],
  [sha256Hex(shared), entry('holder:embeddings', 'file:embeddings', { acceptedAt: 'embeddings' })],
  [sha256Hex(sharedElsewhere), entry('holder:reranker', 'file:reranker', { acceptedAt: 'reranker' })],
]);
const keyring: Keyring = { apiKey: (digest) => entries.get(digest), macKeys: () => [], signatureKeys: () => [] };
const scheme = apiKey({ keyring, clock: () => now });

const at = (time: number) => apiKey({ keyring, clock: () => time });

const bearer = (key: string) => exampleRequest({ headers: { authorization: `Bearer ${key}` } });
const xApiKey = (key: string) => exampleRequest({ headers: { 'x-api-key': key } });
const forms: Record<ApiKeyForm, (key: string) => AuthRequest> = { bearer, 'x-api-key': xApiKey };

async function judge(request: AuthRequest, by = scheme): Promise<Verdict | null> {
  return by.authenticate(request);
}

async function refusal(request: AuthRequest, by = scheme): Promise<Denied> {
  const verdict = await judge(request, by);
  assert.ok(verdict && !verdict.allowed, JSON.stringify(verdict));
  return verdict;
}

schemeContract('api-key', () => ({
  scheme,
  accepted: bearer(minted.key),
  principalId: 'service:aidb',
  broken: [
    { what: 'a mistyped key', request: bearer(mistyped), reason: 'invalid_credentials' },
    { what: 'a cut-off key', request: bearer(minted.key.slice(0, -3)), reason: 'invalid_credentials' },
    { what: 'an unknown key of ours', request: bearer(unknown.key), reason: 'invalid_credentials' },
    { what: 'an unknown x-api-key', request: xApiKey('nobody-knows-it'), reason: 'invalid_credentials' },
    { what: 'a revoked key', request: bearer(revoked.key), reason: 'revoked' },
    { what: 'an expired key', request: xApiKey(expired.key), reason: 'expired' },
    { what: "another service's shared key", request: xApiKey(sharedElsewhere), reason: 'invalid_credentials' },
    {
      what: 'no Bearer',
      request: exampleRequest({ headers: { authorization: 'Basic YTpi' } }),
      reason: 'malformed_credentials',
    },
    {
      what: 'an empty Bearer',
      request: exampleRequest({ headers: { authorization: 'Bearer ' } }),
      reason: 'malformed_credentials',
    },
    {
      what: 'two x-api-key lines',
      request: exampleRequest({ lines: { 'x-api-key': [foreign, foreign] } }),
      reason: 'malformed_credentials',
    },
    {
      what: 'two Authorization lines',
      request: exampleRequest({ lines: { authorization: [`Bearer ${foreign}`, `Bearer ${foreign}`] } }),
      reason: 'malformed_credentials',
    },
    {
      what: 'two keys that differ',
      request: exampleRequest({ headers: { authorization: `Bearer ${minted.key}`, 'x-api-key': foreign } }),
      reason: 'malformed_credentials',
    },
  ],
  foreign: [
    bearer(mintKey('st').key),
    bearer(mintKey('hs').key),
    bearer(mintKey('ad').key),
    bearer('3f0e4d6e-a-foreign-token'),
  ],
  secrets: [
    minted.key,
    unknown.key,
    revoked.key,
    expired.key,
    mistyped,
    foreign,
    shared,
    sharedElsewhere,
    'nobody-knows-it',
  ],
  fields: ['authorization', 'x-api-key'],
  outage: { scheme: apiKey({ keyring: { ...keyring, apiKey: away }, clock: () => now }), request: bearer(minted.key) },
}));

test('a key proves the same caller as Bearer and as x-api-key, minted or foreign', async () => {
  for (const make of Object.values(forms)) {
    for (const [key, id] of [
      [minted.key, 'service:aidb'],
      [foreign, 'service:legacy'],
    ] as const) {
      const verdict = await judge(make(key));
      assert.ok(verdict?.allowed);
      assert.equal(verdict.principal.id, id);
    }
  }
});

test('the headers that the signer makes are those that the scheme reads', async () => {
  for (const form of ['bearer', 'x-api-key'] as const) {
    const verdict = await judge(exampleRequest({ headers: apiKeyHeaders(minted.key, form) }));
    assert.equal(verdict?.allowed, true);
  }
});

test('both headers with one key count as that key', async () => {
  const verdict = await judge(
    exampleRequest({ headers: { authorization: `bearer ${minted.key}`, 'x-api-key': minted.key } }),
  );
  assert.equal(verdict?.allowed, true);
});

test('a shared key is accepted at its service only', async () => {
  assert.equal((await judge(xApiKey(shared)))?.allowed, true);
  const denied = await refusal(exampleRequest({ service: 'reranker', headers: { 'x-api-key': shared } }));
  assert.equal(denied.reason, 'invalid_credentials');
  assert.deepEqual(denied.caller, { id: 'holder:embeddings', proven: true });
  assert.match(denied.note, /accepted there only/);
});

test('a key with a wrong check is refused as mistyped, from memory alone', () => {
  for (const make of Object.values(forms)) {
    const verdict = scheme.authenticate(make(mistyped));
    // No promise: nothing but the index in memory was asked.
    assert.ok(verdict !== null && 'allowed' in verdict && !verdict.allowed);
    assert.match(verdict.note, /check digits/);
    assert.equal(verdict.mayBeNew, false);
  }
});

test('a revoked or expired key names its caller, and revocation is said first', async () => {
  const denied = await refusal(bearer(revoked.key));
  assert.equal(denied.reason, 'revoked');
  assert.deepEqual(denied.caller, { id: 'service:aidb', proven: true });
  assert.equal(denied.credentialId, revoked.id);
});

test('a key lives until the second of its expiry, not through it', async () => {
  assert.equal((await judge(bearer(expired.key), at(now - 1)))?.allowed, true);
  assert.equal((await refusal(bearer(expired.key), at(now))).reason, 'expired');
});

test('an unknown key of ours is named by its public id', async () => {
  const denied = await refusal(bearer(unknown.key));
  assert.equal(denied.credentialId, unknown.id);
  assert.equal(denied.caller, null);
  assert.equal(denied.mayBeNew, true);
  assert.equal((await refusal(xApiKey('a-foreign-key'))).mayBeNew, true);
});

test('a session token as x-api-key is no API key', async () => {
  const denied = await refusal(xApiKey(mintKey('st').key));
  assert.equal(denied.reason, 'invalid_credentials');
  assert.equal(denied.presentedAs, 'x-api-key');
});

test('an Authorization header that is the upstream’s is not read, x-api-key still is', async () => {
  const upstream = apiKey({ keyring, clock: () => now, authorization: 'upstream' });
  assert.equal(await judge(bearer(minted.key), upstream), null);
  const both = exampleRequest({ headers: { authorization: 'Basic YTpi', 'x-api-key': minted.key } });
  assert.equal((await judge(both, upstream))?.allowed, true);
});
