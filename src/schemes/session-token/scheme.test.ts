import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TokenEntry, TokenLookup } from '../../core/credential.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { mintKey } from '../../crypto/key-format.ts';
import { away, exampleRequest, schemeContract } from '../scheme.contract.ts';
import { sessionToken } from './index.ts';

const now = 1_759_744_800;
const minted = newToken('minted');
const unknown = newToken('unknown');
const revoked = newToken('revoked');
const expired = newToken('expired');
const plainUuid = '6f2f9d0e-6f0c-4b1a-9a64-2f1c5d3e7a90';
const mistyped = `${minted.token.slice(0, -1)}${minted.token.endsWith('a') ? 'b' : 'a'}`;

function newToken(tokenId: string) {
  const { key: token } = mintKey('st');
  return { token, tokenId, tokenHash: sha256Hex(token) };
}

function entry(tokenId: string, more: Partial<TokenEntry> = {}): TokenEntry {
  const expiresAt = more.expiresAt ?? now + 60;
  const principal = {
    id: `token:${tokenId}`,
    scheme: 'session-token',
    credentialId: tokenId,
    scopes: [],
    expiresAt,
    addresses: null,
  };
  return { principal, expiresAt, revoked: false, ...more };
}

const entries = new Map<string, TokenEntry>([
  [minted.tokenHash, entry(minted.tokenId)],
  [sha256Hex(plainUuid), entry('a-plain-one')],
  [revoked.tokenHash, entry(revoked.tokenId, { revoked: true })],
  [expired.tokenHash, entry(expired.tokenId, { expiresAt: now })],
]);
const tokens: TokenLookup = { find: (digest) => entries.get(digest) ?? null };
const fromStore: TokenLookup = { find: async (digest) => entries.get(digest) ?? null };
const scheme = sessionToken({ tokens, clock: () => now });
const bearer = (token: string) => exampleRequest({ headers: { authorization: `Bearer ${token}` } });

test('a token of ours and one of any other form are accepted, found in memory or in the store', async () => {
  for (const lookup of [tokens, fromStore]) {
    const fromThere = sessionToken({ tokens: lookup, clock: () => now });
    for (const token of [minted.token, plainUuid]) {
      const verdict = await fromThere.authenticate(bearer(token));
      assert.equal(verdict?.allowed, true);
    }
  }
});

test('what is no token may be a new key of another form; a token of ours is looked up where it was made', async () => {
  for (const [token, mayBeNew] of [
    ['some-unknown-thing', true],
    [unknown.token, false],
    [mistyped, false],
  ] as const) {
    const verdict = await scheme.authenticate(bearer(token));
    assert.equal(verdict?.allowed === false && verdict.mayBeNew, mayBeNew);
  }
});

schemeContract('session-token', () => ({
  scheme,
  accepted: bearer(minted.token),
  principalId: `token:${minted.tokenId}`,
  broken: [
    { what: 'a mistyped token', request: bearer(mistyped), reason: 'invalid_credentials' },
    { what: 'an unknown token of ours', request: bearer(unknown.token), reason: 'invalid_credentials' },
    { what: 'an unknown token of another form', request: bearer('some-unknown-thing'), reason: 'invalid_credentials' },
    { what: 'a revoked token', request: bearer(revoked.token), reason: 'revoked' },
    { what: 'an expired token', request: bearer(expired.token), reason: 'expired' },
    {
      what: 'Basic',
      request: exampleRequest({ headers: { authorization: 'Basic YTpi' } }),
      reason: 'malformed_credentials',
    },
    {
      what: 'two tokens',
      request: exampleRequest({ lines: { authorization: [`Bearer ${plainUuid}`, `Bearer ${minted.token}`] } }),
      reason: 'malformed_credentials',
    },
  ],
  foreign: [
    bearer(mintKey('sk').key),
    bearer(mintKey('hs').key),
    bearer(mintKey('ad').key),
    exampleRequest({ headers: { 'x-api-key': minted.token } }),
  ],
  secrets: [minted.token, unknown.token, revoked.token, expired.token, plainUuid, mistyped, 'some-unknown-thing'],
  fields: ['authorization', 'x-api-key'],
  outage: {
    scheme: sessionToken({ tokens: { find: async () => away() }, clock: () => now }),
    request: bearer(unknown.token),
  },
}));

test('a token of ours with a wrong check costs no look-up', async () => {
  const blind = sessionToken({ tokens: { find: () => assert.fail('looked up') }, clock: () => now });
  const verdict = await blind.authenticate(bearer(mistyped));
  assert.ok(verdict && !verdict.allowed);
  assert.match(verdict.note, /check digits/);
});

test('a token that expires while the store is asked is judged by the time of the answer', async () => {
  let time = now;
  const slow = sessionToken({
    tokens: {
      find: async (digest) => {
        time = now + 60;
        return entries.get(digest) ?? null;
      },
    },
    clock: () => time,
  });
  const verdict = await slow.authenticate(bearer(minted.token));
  assert.ok(verdict && !verdict.allowed);
  assert.equal(verdict.reason, 'expired');
});

test('an Authorization header that is the upstream’s is not read', async () => {
  const upstream = sessionToken({ tokens, clock: () => now, authorization: 'upstream' });
  assert.equal(await upstream.authenticate(bearer(minted.token)), null);
});
