/**
 * What one decision costs, route and policies included, beside the bare cryptography that no scheme can do without; and
 * each scheme alone, whose ratio is to stay below 1.3 as far as that of the HMAC alone does.
 */
import { createHmac, createSecretKey, hash, timingSafeEqual } from 'node:crypto';
import { ruleFor } from '../../test/fixtures/asked.ts';
import type { ApiKeyEntry, Keyring, MacKeyEntry, TokenEntry, TokenLookup } from '../../src/core/credential.ts';
import { createGuard, type Guard } from '../../src/core/guard.ts';
import type { LimitStore } from '../../src/core/store.ts';
import type { AuthRequest } from '../../src/core/request.ts';
import { routeTable } from '../../src/core/route-table.ts';
import type { Scheme } from '../../src/core/scheme.ts';
import type { Principal } from '../../src/core/verdict.ts';
import { equalText } from '../../src/crypto/compare.ts';
import { sha256Hex } from '../../src/crypto/digest.ts';
import { hmacSha256 } from '../../src/crypto/hmac.ts';
import { mintKey } from '../../src/crypto/key-format.ts';
import { addressesPolicy } from '../../src/policies/addresses/index.ts';
import { ratePolicy } from '../../src/policies/rate/index.ts';
import { routesPolicy } from '../../src/policies/routes/index.ts';
import { scopesPolicy } from '../../src/policies/scopes/index.ts';
import { apiKey } from '../../src/schemes/api-key/index.ts';
import { serviceSignature, signServiceRequest } from '../../src/schemes/service-signature/index.ts';
import { sessionToken } from '../../src/schemes/session-token/index.ts';
import type { NamedCase } from '../measure.ts';

const now = 1_760_000_000;
const clock = () => now;
const secret = '0123456789abcdef'.repeat(4);
const callers = Array.from({ length: 24 }, (_, index) => `service-${index}`);

/** A world of some size: 24 callers with a key and an HMAC secret each, and 1,000 session tokens. */
const keys = callers.map((service) => ({ service, ...mintKey('sk') }));
const apiKeys = new Map<string, ApiKeyEntry>(
  keys.map(({ service, key, id }) => [
    sha256Hex(key),
    {
      principal: principalOf(`service:${service}`, 'api-key', id),
      acceptedAt: null,
      expiresAt: now + 1000,
      revoked: false,
    },
  ]),
);
const macKeys = new Map<string, readonly MacKeyEntry[]>(
  callers.map((service) => [
    service,
    [
      {
        principal: principalOf(`service:${service}`, 'service-signature', service),
        key: hmacSha256(Buffer.from(secret)),
        expiresAt: now + 1000,
        revoked: false,
      },
    ],
  ]),
);
const none: readonly MacKeyEntry[] = [];
const keyring: Keyring = {
  apiKey: (digest) => apiKeys.get(digest),
  macKeys: (service) => macKeys.get(service) ?? none,
  signatureKeys: () => [],
};
const issued = Array.from({ length: 1000 }, (_, index) => {
  const { key: token } = mintKey('st');
  return { token, tokenId: `token-${index}`, tokenHash: sha256Hex(token) };
});
const tokenEntries = new Map<string, TokenEntry>(
  issued.map(({ tokenId, tokenHash }) => [
    tokenHash,
    { principal: principalOf(`token:${tokenId}`, 'session-token', tokenId), expiresAt: now + 1000, revoked: false },
  ]),
);
const tokens: TokenLookup = { find: (digest) => tokenEntries.get(digest) ?? null };

/** No route here has a rate limit: a bench that came to this would measure something else. */
const noLimits: LimitStore = {
  take: () => Promise.reject(new Error('no limit is configured')),
  peek: () => Promise.reject(new Error('no limit is configured')),
  once: () => Promise.reject(new Error('no limit is configured')),
};

const schemes: readonly Scheme[] = [
  serviceSignature({ keyring, clock, windowSeconds: 300, replay: 'off', once: async () => true }),
  apiKey({ keyring, clock }),
  sessionToken({ tokens, clock }),
];
const [signatureScheme, apiKeyScheme, tokenScheme] = schemes as [Scheme, Scheme, Scheme];
const guard = guardOf(schemes);

const presentedKey = keys[7]?.key ?? '';
const presentedToken = issued[500]?.token ?? '';
const byBearer = requestOf({ authorization: `Bearer ${presentedKey}` });
const byHeader = requestOf({ 'x-api-key': presentedKey });
const byToken = requestOf({ authorization: `Bearer ${presentedToken}` });
const signed = signServiceRequest({
  serviceId: 'service-7',
  secret,
  method: 'POST',
  target: '/embeddings/v1/embed?model=a',
  timestamp: now,
});
const bySignature = requestOf(signed.headers);

const noLines: readonly string[] = [];
const noBody = async () => new Uint8Array();

/** An object per request, as every adapter makes one, with the headers that a client commonly sends. */
function requestOf(credential: Record<string, string>): () => AuthRequest {
  const lines = new Map<string, readonly string[]>();
  const usual = {
    host: 'stack.internal:8700',
    accept: '*/*',
    'user-agent': 'node',
    'content-type': 'application/json',
  };
  for (const [field, value] of Object.entries({ ...usual, ...credential })) lines.set(field, [value]);
  const fields = (field: string) => lines.get(field) ?? noLines;
  return () => ({
    method: 'POST',
    target: '/embeddings/v1/embed?model=a',
    path: '/v1/embed',
    service: 'embeddings',
    authority: 'stack.internal:8700',
    protocol: 'http',
    remoteAddress: '10.0.0.7',
    requestId: 'a-request',
    fields,
    bodyPresence: 'none',
    body: noBody,
  });
}

function principalOf(id: string, scheme: string, credentialId: string): Principal {
  return { id, scheme, credentialId, scopes: ['embed:write'], expiresAt: now + 1000, addresses: null };
}

function guardOf(all: readonly Scheme[]): Guard {
  const rules = [
    ruleFor('/health', { access: 'public' }),
    ruleFor('/v1/embed', { methods: ['POST'], scopes: ['embed:write'] }),
    ruleFor('/internal/*', { access: 'service' }),
    ruleFor('/models/:name/load', { methods: ['POST'], access: 'operator' }),
    ...callers.map((service) => ruleFor(`/v1/${service}/items/:id`, { callers, methods: ['GET', 'POST'] })),
    ruleFor('/v1/*'),
    ruleFor('/admin/*', { access: 'operator' }),
  ];
  const guarded = {
    table: routeTable('embeddings', rules),
    schemes: all,
    authorization: 'ours' as const,
    staleSecondsMax: 0,
  };
  const services = new Map([['embeddings', guarded]]);
  return createGuard({
    service: (name) => services.get(name) ?? null,
    policies: [routesPolicy(), scopesPolicy(), addressesPolicy(), ratePolicy({ limits: noLimits, clock })],
    modes: { modeOf: () => 'enforce' },
    observe: () => {},
  });
}

const bareLookup = (value: string, index: ReadonlyMap<string, unknown>) => () =>
  index.get(hash('sha256', value, 'hex'));
const hashAndMap = 'crypto.hash + Map';

const signatureBytes = Buffer.from(signed.headers['x-service-signature'] ?? '', 'hex');
const keyObject = createSecretKey(Buffer.from(secret));
const bareHmac = () => timingSafeEqual(createHmac('sha256', keyObject).update(signed.message).digest(), signatureBytes);

const twoHashes = 'two crypto.hash + timingSafeEqual';
/** The two hashes of an HMAC, at the lengths that it has: pad and message, pad and digest. */
const innerText = 'i'.repeat(64) + signed.message;
const outerText = 'o'.repeat(96);
const expected = Buffer.from(hash('sha256', outerText, 'hex'));
/** Nothing of ours is in it, or what makes ours faster would make the peer faster too. */
function bareHashes(): boolean {
  hash('sha256', innerText, 'hex');
  return timingSafeEqual(Buffer.from(hash('sha256', outerText, 'hex'), 'latin1'), expected);
}

/** As little as anybody can do who is asked for an HMAC: the message at hand, one key, and nothing looked at. */
const leastKey = hmacSha256(Buffer.from(secret));
const leastHmac = () => equalText(leastKey.hex(signed.message), signed.headers['x-service-signature'] ?? '');

/** A bench of refusals would be fast and worthless. */
async function mustAllow(request: AuthRequest): Promise<void> {
  const { verdict } = await guard.decide(request);
  if (!verdict?.allowed) throw new Error(`the bench's own request is refused: ${verdict?.note}`);
}

function decide(name: string, make: () => AuthRequest, peer: () => unknown, peerName: string): NamedCase {
  return {
    name,
    async run(bench) {
      await mustAllow(make());
      await bench.compare(name, { ours: () => guard.decide(make()), peer, peerName });
    },
  };
}

function alone(
  name: string,
  scheme: Scheme,
  make: () => AuthRequest,
  peer: () => unknown,
  peerName: string,
): NamedCase {
  const request = make();
  return pair(name, () => scheme.authenticate(request), peer, peerName);
}

function pair(name: string, ours: () => unknown, peer: () => unknown, peerName: string): NamedCase {
  return { name, run: (bench) => bench.compare(name, { ours, peer, peerName }) };
}

const cases: readonly NamedCase[] = [
  decide('guard.decide api-key bearer', byBearer, bareLookup(presentedKey, apiKeys), hashAndMap),
  decide('guard.decide api-key x-api-key', byHeader, bareLookup(presentedKey, apiKeys), hashAndMap),
  decide('guard.decide session-token', byToken, bareLookup(presentedToken, tokenEntries), hashAndMap),
  decide('guard.decide service-signature', bySignature, bareHmac, 'createHmac + timingSafeEqual'),
  alone('scheme api-key', apiKeyScheme, byHeader, bareLookup(presentedKey, apiKeys), hashAndMap),
  alone('scheme session-token', tokenScheme, byToken, bareLookup(presentedToken, tokenEntries), hashAndMap),
  alone('scheme service-signature', signatureScheme, bySignature, bareHashes, twoHashes),
  pair('scheme service-signature, an HMAC and compare alone', leastHmac, bareHashes, twoHashes),
];

export default cases;
