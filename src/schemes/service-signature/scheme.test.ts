import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import type { Keyring, MacKeyEntry } from '../../core/credential.ts';
import type { AuthRequest } from '../../core/request.ts';
import { deny, type Denied, type Verdict } from '../../core/verdict.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { mintKey } from '../../crypto/key-format.ts';
import { away, exampleRequest, schemeContract } from '../scheme.contract.ts';
import { serviceSignature, signServiceRequest, type ReplayCheck } from './index.ts';

interface Vector {
  readonly service_id: string;
  readonly service_key: string;
  readonly method: string;
  readonly path: string;
  readonly timestamp: string;
  readonly message: string;
  readonly signature: string;
}

const vectorsFile = new URL('../../../test/vectors/service-signature.json', import.meta.url);
const { vectors } = JSON.parse(readFileSync(vectorsFile, 'utf8')) as { vectors: readonly Vector[] };

const now = 1_759_744_800;
const current = '0123456789abcdef'.repeat(4);
const previous = '9f1c2a7b'.repeat(8);
const revokedKey = mintKey('hs').key;
const expiredKey = mintKey('hs').key;

function entry(secret: string, credentialId: string, more: Partial<MacKeyEntry> = {}): MacKeyEntry {
  const principal = {
    id: 'service:main-backend',
    scheme: 'service-signature',
    credentialId,
    scopes: [],
    expiresAt: null,
    addresses: null,
  };
  return { principal, key: hmacSha256(Buffer.from(secret)), expiresAt: null, revoked: false, ...more };
}

const keys: readonly MacKeyEntry[] = [
  entry(current, 'current'),
  entry(revokedKey, 'revoked', { revoked: true }),
  entry(expiredKey, 'expired', { expiresAt: now - 1 }),
  entry(previous, 'previous', { expiresAt: now + 3600 }),
];
const keyring: Keyring = {
  apiKey: () => undefined,
  macKeys: (service) => (service === 'main-backend' ? keys : []),
  signatureKeys: () => [],
};

/** A replay memory that knows when to forget. */
function memory(clock: () => number) {
  const seen = new Map<string, number>();
  return async (key: string, expiresAt: number): Promise<boolean> => {
    if ((seen.get(key) ?? 0) > clock()) return false;
    seen.set(key, expiresAt);
    return true;
  };
}

interface Setting {
  readonly time?: number;
  readonly replay?: ReplayCheck;
  readonly keyring?: Keyring;
  readonly once?: (key: string, expiresAt: number) => Promise<boolean>;
}

function schemeAt(setting: Setting = {}) {
  const clock = () => setting.time ?? now;
  const once = setting.once ?? (() => assert.fail('the replay memory was asked'));
  return serviceSignature({
    keyring: setting.keyring ?? keyring,
    clock,
    windowSeconds: 300,
    replay: setting.replay ?? 'off',
    once,
  });
}

interface Call {
  readonly secret?: string;
  readonly serviceId?: string;
  readonly method?: string;
  readonly target?: string;
  readonly timestamp?: number;
  readonly change?: Readonly<Record<string, string | undefined>>;
  readonly sent?: Partial<Pick<AuthRequest, 'method' | 'target'>>;
}

function signed(call: Call = {}): AuthRequest {
  const {
    secret = current,
    serviceId = 'main-backend',
    method = 'GET',
    target = '/embeddings/embed?model=a',
    timestamp = now,
  } = call;
  const { headers } = signServiceRequest({ serviceId, secret, method, target, timestamp });
  const lines = Object.fromEntries(
    Object.entries({ ...headers, ...call.change }).map(([field, value]) => [
      field,
      value === undefined ? undefined : [value],
    ]),
  );
  return exampleRequest({ method, target, lines, ...call.sent });
}

async function judge(request: AuthRequest, setting?: Setting): Promise<Verdict | null> {
  return schemeAt(setting).authenticate(request);
}

async function refusal(request: AuthRequest, setting?: Setting): Promise<Denied> {
  const verdict = await judge(request, setting);
  assert.ok(verdict && !verdict.allowed, JSON.stringify(verdict));
  return verdict;
}

const good = signServiceRequest({
  serviceId: 'main-backend',
  secret: current,
  method: 'GET',
  target: '/x',
  timestamp: now,
}).headers;
const goodSignature = good['x-service-signature'] ?? '';

schemeContract('service-signature', () => ({
  scheme: schemeAt(),
  accepted: signed(),
  principalId: 'service:main-backend',
  broken: [
    { what: 'another key', request: signed({ secret: 'another' }), reason: 'invalid_signature' },
    { what: 'an unknown service', request: signed({ serviceId: 'nobody' }), reason: 'unknown_service' },
    { what: 'a revoked key', request: signed({ secret: revokedKey }), reason: 'revoked' },
    { what: 'an expired key', request: signed({ secret: expiredKey }), reason: 'expired' },
    { what: 'an old timestamp', request: signed({ timestamp: now - 301 }), reason: 'timestamp_outside_window' },
    {
      what: 'an id alone',
      request: exampleRequest({ headers: { 'x-service-id': 'main-backend' } }),
      reason: 'malformed_credentials',
    },
    {
      what: 'an empty id alone',
      request: exampleRequest({ headers: { 'x-service-id': '' } }),
      reason: 'malformed_credentials',
    },
    {
      what: 'two ids',
      request: exampleRequest({ lines: { ...linesOf(good), 'x-service-id': ['main-backend', 'main-backend'] } }),
      reason: 'malformed_credentials',
    },
  ],
  foreign: [exampleRequest({ headers: { authorization: `Bearer ${current}`, 'x-api-key': current } })],
  secrets: [current, previous, revokedKey, expiredKey],
  fields: ['x-service-id', 'x-service-signature', 'x-service-timestamp'],
  outage: { scheme: schemeAt({ keyring: { ...keyring, macKeys: away } }), request: signed() },
}));

test('what none of the known keys made may be made with a new one, unless its time is off', async () => {
  assert.equal((await refusal(signed({ secret: 'another' }))).mayBeNew, true);
  assert.equal((await refusal(signed({ serviceId: 'nobody' }))).mayBeNew, true);
  assert.equal((await refusal(signed({ secret: 'another', timestamp: now - 301 }))).mayBeNew, false);
});

function linesOf(headers: Readonly<Record<string, string>>): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(headers).map(([field, value]) => [field, [value]]));
}

test('every vector is reproduced and verified, and each tampered field is refused', async () => {
  for (const vector of vectors) {
    const { service_id: serviceId, service_key: secret, method, path, timestamp } = vector;
    const made = signServiceRequest({ serviceId, secret, method, target: `${path}?a=b`, timestamp: Number(timestamp) });
    assert.equal(made.message, vector.message);
    assert.equal(made.headers['x-service-signature'], vector.signature);
    assert.equal(made.headers['x-service-timestamp'], timestamp);

    const held = entry(secret, serviceId);
    const known = new Set([serviceId, `${serviceId}x`]);
    const setting = {
      time: Number(timestamp),
      keyring: { ...keyring, macKeys: (id: string) => (known.has(id) ? [held] : []) },
    };
    const headers = {
      'x-service-id': serviceId,
      'x-service-signature': vector.signature,
      'x-service-timestamp': timestamp,
    };
    const right = { method, target: path, headers };
    assert.equal((await judge(exampleRequest(right), setting))?.allowed, true);
    const changed = [
      { ...right, method: method === 'GET' ? 'POST' : 'GET' },
      { ...right, target: `${path}/` },
      { ...right, headers: { ...headers, 'x-service-id': `${serviceId}x` } },
      { ...right, headers: { ...headers, 'x-service-timestamp': String(Number(timestamp) + 1) } },
      {
        ...right,
        headers: {
          ...headers,
          'x-service-signature': vector.signature.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
        },
      },
    ];
    for (const request of changed)
      assert.equal((await refusal(exampleRequest(request), setting)).reason, 'invalid_signature');
    const otherKey = {
      ...setting,
      keyring: {
        ...keyring,
        macKeys: () => [
          entry(secret.toLowerCase() === secret ? secret.toUpperCase() : secret.toLowerCase(), serviceId),
        ],
      },
    };
    assert.equal((await refusal(exampleRequest(right), otherKey)).reason, 'invalid_signature');
  }
});

test('the query is not covered, the gateway’s prefix is', async () => {
  assert.equal((await judge(signed({ sent: { target: '/embeddings/embed?model=b' } })))?.allowed, true);
  assert.equal((await refusal(signed({ sent: { target: '/embed?model=a' } }))).reason, 'invalid_signature');
});

test('the window holds both of its edges and not a second more', async () => {
  for (const [timestamp, allowed] of [
    [now - 301, false],
    [now - 300, true],
    [now + 300, true],
    [now + 301, false],
  ] as const) {
    assert.equal((await judge(signed({ timestamp })))?.allowed, allowed, String(timestamp - now));
  }
  // The caller cut off its fraction of a second; ours is not held against it.
  assert.equal((await judge(signed({ timestamp: now - 300 }), { time: now + 0.9 }))?.allowed, true);
});

test('outside the window the caller is named as proven, with its skew, when the signature is right', async () => {
  const denied = await refusal(signed({ timestamp: now - 4000 }));
  assert.equal(denied.reason, 'timestamp_outside_window');
  assert.deepEqual(denied.caller, { id: 'service:main-backend', proven: true });
  assert.equal(denied.skewSeconds, -4000);
  assert.equal(denied.credentialId, 'current');
  assert.match(denied.note, /4000 s behind our clock/);
  assert.match((await refusal(signed({ timestamp: now + 500 }))).note, /500 s ahead of our clock/);
});

test('outside the window with a wrong signature or an unknown id the caller is only claimed', async () => {
  for (const call of [{ secret: 'another' }, { serviceId: 'nobody' }]) {
    const denied = await refusal(signed({ ...call, timestamp: now - 4000 }));
    assert.equal(denied.reason, 'timestamp_outside_window');
    assert.equal(denied.caller?.proven, false);
    assert.equal(denied.skewSeconds, null);
  }
});

test('a skew within the window is told with the verdict', async () => {
  const verdict = await judge(signed({ timestamp: now + 12 }));
  assert.ok(verdict?.allowed);
  assert.equal(verdict.skewSeconds, 12);
});

test('during a rotation any live key proves the service', async () => {
  for (const [secret, credentialId] of [
    [current, 'current'],
    [previous, 'previous'],
  ] as const) {
    const verdict = await judge(signed({ secret }));
    assert.ok(verdict?.allowed);
    assert.equal(verdict.principal.credentialId, credentialId);
  }
});

test('a live key wins over a dead record of the same secret', async () => {
  const twice = [entry(current, 'dead', { revoked: true }), entry(current, 'live')];
  const verdict = await judge(signed(), { keyring: { ...keyring, macKeys: () => twice } });
  assert.ok(verdict?.allowed);
  assert.equal(verdict.principal.credentialId, 'live');
});

test('a dead key names its caller and credential', async () => {
  for (const [secret, reason] of [
    [revokedKey, 'revoked'],
    [expiredKey, 'expired'],
  ] as const) {
    const denied = await refusal(signed({ secret }));
    assert.equal(denied.reason, reason);
    assert.deepEqual(denied.caller, { id: 'service:main-backend', proven: true });
    assert.equal(denied.credentialId, reason);
  }
});

test('what is malformed is said in words that help', async () => {
  const cases: readonly [string, Call['change'], RegExp][] = [
    ['no signature', { 'x-service-signature': undefined }, /X-Service-Signature is missing/],
    [
      'no timestamp and no id',
      { 'x-service-timestamp': undefined, 'x-service-id': undefined },
      /X-Service-ID is missing, X-Service-Timestamp is missing/,
    ],
    ['a colon in the id', { 'x-service-id': 'main:backend' }, /X-Service-ID/],
    ['an id of 129 characters', { 'x-service-id': 'a'.repeat(129) }, /X-Service-ID/],
    ['a newline behind the id', { 'x-service-id': 'main-backend\n' }, /X-Service-ID/],
    ['milliseconds', { 'x-service-timestamp': String(now * 1000) }, /not milliseconds/],
    ['a fraction', { 'x-service-timestamp': `${now}.5` }, /has a fraction/],
    ['a sign', { 'x-service-timestamp': `+${now}` }, /whole number/],
    ['a negative time', { 'x-service-timestamp': '-5' }, /whole number/],
    ['leading zeros', { 'x-service-timestamp': `0${now}` }, /whole number/],
    ['two zeros', { 'x-service-timestamp': '00' }, /whole number/],
    ['an exponent', { 'x-service-timestamp': '1e9' }, /whole number/],
    ['a date', { 'x-service-timestamp': '2025-10-06T10:00:00Z' }, /whole number/],
    ['upper-case hex', { 'x-service-signature': goodSignature.toUpperCase() }, /upper-case hex/],
    ['base64', { 'x-service-signature': Buffer.from(goodSignature, 'hex').toString('base64') }, /base64/],
    ['too short', { 'x-service-signature': goodSignature.slice(1) }, /63 characters/],
    ['a newline behind it', { 'x-service-signature': `${goodSignature}\n` }, /65 characters/],
  ];
  for (const [what, change, note] of cases) {
    const denied = await refusal(signed({ change }));
    assert.equal(denied.reason, 'malformed_credentials', what);
    assert.match(denied.note, note, what);
  }
});

test('the note names the caller and the exact string that should have been signed, and no secret', async () => {
  const denied = await refusal(signed({ secret: 'another', target: '/x' }));
  assert.match(denied.note, /"main-backend:GET:\/x:1759744800"/);
  assert.deepEqual(denied.caller, { id: 'service:main-backend', proven: false });
  const long = await refusal(signed({ secret: 'another', target: `/${'x'.repeat(9000)}` }));
  assert.ok(long.note.length < 1000);
});

test('a replay is refused where it is asked for', async () => {
  const rows: readonly [ReplayCheck, string, boolean][] = [
    ['off', 'POST', true],
    ['unsafe-methods', 'POST', false],
    ['unsafe-methods', 'DELETE', false],
    ['unsafe-methods', 'QUERY', false],
    ['unsafe-methods', 'GET', true],
    ['unsafe-methods', 'HEAD', true],
    ['unsafe-methods', 'OPTIONS', true],
    ['all', 'GET', false],
  ];
  for (const [replay, method, secondAllowed] of rows) {
    const setting = { replay, once: memory(() => now) };
    assert.equal((await judge(signed({ method }), setting))?.allowed, true);
    const second = await judge(signed({ method }), setting);
    assert.equal(second?.allowed, secondAllowed, `${replay} ${method}`);
    if (second && !second.allowed) {
      assert.equal(second.reason, 'replayed');
      assert.deepEqual(second.caller, { id: 'service:main-backend', proven: true });
    }
  }
});

test('a replay is refused through the very last second of the window', async () => {
  let time = now;
  const scheme = serviceSignature({
    keyring,
    clock: () => time,
    windowSeconds: 300,
    replay: 'all',
    once: memory(() => time),
  });
  const request = signed();
  assert.equal((await scheme.authenticate(request))?.allowed, true);
  for (const later of [1, 299, 300, 300.999]) {
    time = now + later;
    const verdict = await scheme.authenticate(request);
    assert.ok(verdict && !verdict.allowed);
    assert.equal(verdict.reason, 'replayed', `after ${later} s`);
  }
  time = now + 301;
  const verdict = await scheme.authenticate(request);
  assert.ok(verdict && !verdict.allowed);
  assert.equal(verdict.reason, 'timestamp_outside_window');
});

test('a forger cannot burn a signature: only what verified reaches the replay memory', async () => {
  const setting = { replay: 'all' } as const;
  await refusal(signed({ secret: 'another' }), setting);
  await refusal(signed({ serviceId: 'nobody' }), setting);
  await refusal(signed({ secret: revokedKey }), setting);
  await refusal(signed({ timestamp: now - 301 }), setting);
});

test('rejects when the replay memory is away', async () => {
  await assert.rejects(async () => judge(signed(), { replay: 'all', once: async () => away() }), { code: 'away' });
});

test('the challenge names the three fields', () => {
  assert.equal(
    schemeAt().challenge(deny('missing_credentials', '')),
    'ServiceSignature realm="countersign", headers="x-service-id x-service-signature x-service-timestamp"',
  );
});

test('whatever is signed is accepted, and refused with any other method, path or id', async () => {
  const path = fc.stringMatching(/^\/[A-Za-z0-9._~%:@!$&'()*+,=/-]{0,60}$/);
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE');
  await fc.assert(
    fc.asyncProperty(
      path,
      method,
      path,
      method,
      fc.integer({ min: -300, max: 300 }),
      async (target, verb, otherPath, otherVerb, skew) => {
        const call = { target, method: verb, timestamp: now + skew };
        assert.equal((await judge(signed(call)))?.allowed, true);
        const same = otherPath === target && otherVerb === verb;
        const other = await judge(signed({ ...call, sent: { target: otherPath, method: otherVerb } }));
        assert.equal(other?.allowed, same);
      },
    ),
  );
});

test('the signer refuses what no verifier would accept, without showing the secret', () => {
  const right = { serviceId: 'a', secret: 'the secret', method: 'GET', target: '/x', timestamp: now };
  const wrong = [
    { serviceId: 'a:b' },
    { serviceId: '' },
    { secret: '' },
    { target: 'http://a/x' },
    { target: '/a b' },
    { target: '/ä' },
    { target: '/a#b' },
    { timestamp: now * 1000 },
    { timestamp: Number.NaN },
  ];
  for (const change of wrong)
    assert.throws(
      () => signServiceRequest({ ...right, ...change }),
      (error: Error) => error instanceof TypeError && !error.message.includes('the secret'),
    );
});

test('a window that is none is refused when the scheme is built', () => {
  assert.throws(
    () => serviceSignature({ keyring, clock: () => now, windowSeconds: 0, replay: 'off', once: async () => true }),
    TypeError,
  );
});
