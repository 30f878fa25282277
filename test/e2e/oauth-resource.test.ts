/** How services take access tokens, over real HTTP. Each behaviour names the clause that it stands for. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  proofMaker,
  testIssuer,
  testKey,
  type Claims,
  type Signing,
  type TestIssuer,
  type TestKey,
} from '../fixtures/oauth-issuer.ts';
import { oauthStack, type OauthStack } from '../fixtures/oauth-stack.ts';
import { rawRequest } from '../fixtures/authority-stack.ts';

/** Whatever is started lives as long as this file. */
const ends: (() => unknown)[] = [];
const lifetime = { after: (end: () => unknown) => void ends.push(end) } as never;
const seen: IncomingMessage['headers'][] = [];
let upstream: Server;
let here: OauthStack;
let issuer: TestIssuer;
let second: TestIssuer;
let stranger: TestIssuer;
let rsa: TestKey;
let files: string;

before(async () => {
  upstream = createServer((req, res) => {
    seen.push(req.headers);
    res.end('served');
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  ends.push(() => upstream.close());
  const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  // The resource is known before the stack: its port is chosen by it, so issuers are told claims by each test.
  issuer = await testIssuer(lifetime, 'unset');
  second = await testIssuer(lifetime, 'unset');
  stranger = await testIssuer(lifetime, 'unset');
  rsa = await testKey('RS256', 'rsa');
  issuer.keys.push(rsa, await testKey('EdDSA', 'ed'), await testKey('PS256', 'pss'));
  here = await oauthStack(lifetime, {
    yaml: () => `
oauth: { issuers: [{ issuer: '${issuer.issuer}' }, { issuer: '${second.issuer}', jwksUri: '${second.issuer}/jwks' }] }
services:
  files:
    upstream: ${origin}
    accept: [oauth]
    oauth: { scopes: [files:read], issuers: ['${issuer.issuer}', '${second.issuer}'] }
    origins: [https://app.example.org]
    routes:
      - { path: /open, access: public }
      - { path: /write, scopes: [files:write, files:own] }
      - { path: /clients, callers: ['client:other'] }
  bound: { upstream: '${origin}', accept: [oauth], oauth: { dpop: required } }
  narrow: { upstream: '${origin}', accept: [oauth], oauth: { issuers: ['${second.issuer}'] } }
  mixed: { upstream: '${origin}', accept: [oauth, api-key] }
  keyed: { upstream: '${origin}' }
`,
  });
  files = `${here.gateway}/files`;
});

after(async () => {
  for (const end of ends.toReversed()) await end();
});

const token = (claims: Claims = {}, signing: Signing = {}) => issuer.token({ aud: files, ...claims }, signing);
const call = (bearer: string, path = '/x', headers: Record<string, string> = {}) =>
  fetch(files + path, { headers: { authorization: `Bearer ${bearer}`, ...headers } });

async function refused(answer: Response, status: number, error: string | null): Promise<string> {
  const challenge = answer.headers.get('www-authenticate') ?? '';
  assert.equal(answer.status, status, `${await answer.text()} ${challenge}`);
  if (error === null) assert.doesNotMatch(challenge, /error=/);
  else assert.match(challenge, new RegExp(`error="${error}"`));
  return challenge;
}

const now = () => Math.floor(Date.now() / 1000);

test('RFC 6750 §2.1: takes a token in the Authorization header', async () => {
  const answer = await call(await token());
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'served');
});

test('MCP, token handling: never passes the token or a proof on, and says whose it was', async () => {
  await call(await token());
  const last = seen.at(-1);
  assert.equal(last?.authorization, undefined);
  assert.equal(last?.['dpop'], undefined);
  assert.equal(last?.['x-auth-principal'], 'client:agent');
  assert.equal(last?.['x-auth-scopes'], 'files:read');
});

for (const [alg, kid] of [
  ['ES256', 'first'],
  ['RS256', 'rsa'],
  ['EdDSA', 'ed'],
  ['PS256', 'pss'],
])
  test(`RFC 9068 §2.1: takes ${alg}`, async () => {
    const key = issuer.keys.find((each) => each.kid === kid) as TestKey;
    assert.equal((await call(await token({}, { key }))).status, 200);
  });

test('RFC 9068 §4: takes the type application/at+jwt as well', async () => {
  assert.equal((await call(await token({}, { header: { typ: 'application/at+jwt' } }))).status, 200);
});

test('RFC 9068 §4: chooses among several issuers by iss', async () => {
  assert.equal((await call(await second.token({ aud: files }))).status, 200);
});

test('RFC 9068 §3: takes a token for several resources, if this is one of them', async () => {
  assert.equal((await call(await token({ aud: ['https://other.example', files] }))).status, 200);
});

const broken: readonly (readonly [clause: string, what: string, claims: Claims, signing?: Signing])[] = [
  ['RFC 8707 §2', 'a token for another resource', { aud: 'https://other.example' }],
  ['RFC 8707 §2', 'a token for the whole gateway', { aud: '' }],
  ['RFC 8707 §2', 'a token for a path below the resource', { aud: 'BELOW' }],
  ['RFC 9068 §2.2', 'a token without aud', { aud: undefined }],
  ['RFC 9068 §4', 'a token of an unknown issuer', { iss: 'https://elsewhere.example' }],
  ['RFC 9207', 'a token that one trusted issuer signed in the name of another', { iss: 'SECOND' }],
  ['RFC 9068 §4', 'an issuer with a slash too many', { iss: 'SLASH' }],
  ['RFC 9068 §4', 'an ID token (typ JWT)', {}, { header: { typ: 'JWT' } }],
  ['RFC 9068 §2.1', 'a token without typ', {}, { header: { typ: undefined } }],
  ['RFC 9068 §2.2', 'a token without client_id', { client_id: undefined }],
  ['RFC 9068 §2.2', 'a token without sub', { sub: undefined }],
  ['RFC 9068 §2.2', 'a token without jti', { jti: undefined }],
  ['RFC 9068 §2.2', 'a token without iat', { iat: undefined }],
  ['RFC 9068 §2.2', 'a token without exp', { exp: undefined }],
  ['RFC 7519 §4.1.4', 'an expired token', { exp: 1_700_000_000, iat: 1_699_999_000 }],
  ['RFC 7519 §4.1.5', 'a token that is not valid yet', { nbf: 4_000_000_000 }],
  ['RFC 7519 §4.1.6', 'a token from the future', { iat: 4_000_000_000, exp: 4_000_000_100 }],
  ['RFC 7519 §4.1.4', 'an exp that is no number', { exp: 'never' }],
  ['RFC 7515 §4.1.11', 'a critical extension', {}, { header: { crit: ['b64'], b64: true } }],
  ['RFC 7515 §4.1.4', 'a key id that the issuer does not have', {}, { header: { kid: 'nobody' } }],
  ['RFC 8705 §3.1', 'a binding of a kind not known here', { cnf: { 'x5t#S256': 'abc' } }],
  ['RFC 9110 §5.5', 'a client id that would break a header', { client_id: 'a\r\nx-auth-scopes: all' }],
  ['RFC 6749 §3.3', 'scopes that are no text', { scope: ['files:read'] }],
];

for (const [clause, what, claims, signing] of broken)
  test(`${clause}: refuses ${what}`, async () => {
    const told: Record<string, string> = { BELOW: `${files}/x`, SECOND: second.issuer, SLASH: `${issuer.issuer}/` };
    const real = Object.fromEntries(
      Object.entries(claims).map(([name, value]) => [name, typeof value === 'string' ? (told[value] ?? value) : value]),
    );
    if (claims['aud'] === '') real['aud'] = here.gateway;
    await refused(await call(await token(real, signing)), 401, 'invalid_token');
  });

test('RFC 8725 §3.1: refuses alg none, with and without a signature', async () => {
  const [, payload, signature] = (await token()).split('.');
  const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url');
  await refused(await call(`${header}.${payload}.`), 401, 'invalid_token');
  await refused(await call(`${header}.${payload}.${signature}`), 401, 'invalid_token');
});

test('RFC 8725 §2.1: refuses HS256 made with the public key as its secret', async () => {
  const { SignJWT } = await import('jose');
  const forged = await new SignJWT({ iss: issuer.issuer, aud: files, sub: 'a', client_id: 'a', jti: 'x' })
    .setIssuedAt()
    .setExpirationTime('2m')
    .setProtectedHeader({ alg: 'HS256', kid: 'rsa', typ: 'at+jwt' })
    .sign(Buffer.from(JSON.stringify(rsa.publicJwk)));
  await refused(await call(forged), 401, 'invalid_token');
});

test('RFC 8725 §3.1: refuses an algorithm that is not that of the key', async () => {
  const pss = issuer.keys.find(({ kid }) => kid === 'pss') as TestKey;
  await refused(await call(await token({}, { key: { ...pss, kid: 'rsa' } })), 401, 'invalid_token');
});

test('RFC 7515 §4.1.3: does not believe a key that the token brings along', async () => {
  const own = await testKey('ES256', 'first');
  const header = { jwk: own.publicJwk, jku: `${stranger.issuer}/jwks` };
  await refused(await call(await token({}, { key: own, header })), 401, 'invalid_token');
  assert.equal(stranger.asked.keys, 0);
});

test('RFC 7515 §5.2: refuses a changed payload, a changed signature, and half a token', async () => {
  const [header, payload = '', signature = ''] = (await token()).split('.');
  const claims = { ...(JSON.parse(Buffer.from(payload, 'base64url').toString()) as object), scope: 'files:write' };
  const raised = Buffer.from(JSON.stringify(claims)).toString('base64url');
  for (const forged of [`${header}.${raised}.${signature}`, `${header}.${payload}.AAAA`, `${header}.${payload}`])
    await refused(await call(forged), 401, 'invalid_token');
});

test('MCP, audience: refuses the token of one service at another', async () => {
  const answer = await fetch(`${here.gateway}/narrow/x`, {
    headers: { authorization: `Bearer ${await second.token({ aud: files })}` },
  });
  await refused(answer, 401, 'invalid_token');
});

test('takes the tokens of those issuers only that the service names', async () => {
  const aud = `${here.gateway}/narrow`;
  const at = (bearer: string) => fetch(`${aud}/x`, { headers: { authorization: `Bearer ${bearer}` } });
  assert.equal((await at(await second.token({ aud }))).status, 200);
  await refused(await at(await issuer.token({ aud })), 401, 'invalid_token');
});

test('RFC 6750 §3.1: names no error where no token came', async () => {
  await refused(await fetch(`${files}/x`), 401, null);
});

test('RFC 9728 §5.1: the 401 says where the resource describes itself, and which scopes to ask for first', async () => {
  const challenge = await refused(await fetch(`${files}/x`), 401, null);
  assert.ok(
    challenge.includes(`resource_metadata="${here.gateway}/.well-known/oauth-protected-resource/files"`),
    challenge,
  );
  assert.match(challenge, /scope="files:read"/);
});

test('RFC 6750 §3.1: insufficient_scope names all scopes that are needed, those held included, in one challenge', async () => {
  const challenge = await refused(await call(await token(), '/write'), 403, 'insufficient_scope');
  assert.match(challenge, /scope="files:read files:write files:own"/);
  assert.equal(challenge.match(/Bearer/g)?.length, 1);
  assert.equal((await call(await token({ scope: 'files:own files:write' }), '/write')).status, 200);
});

test('RFC 6750 §3.1: a caller who is not allowed is not sent to ask for scopes', async () => {
  const challenge = await refused(await call(await token(), '/clients'), 403, null);
  assert.doesNotMatch(challenge, /scope=/);
  assert.equal((await call(await token({ client_id: 'other' }), '/clients')).status, 200);
});

test('RFC 9700 §4.3.2: a token in the query is never taken, however it is spelled', async () => {
  const good = await token();
  const passed = seen.length;
  for (const name of ['access_token', 'access%5Ftoken', '%61ccess_token'])
    await refused(await fetch(`${files}/x?${name}=${good}`), 401, 'invalid_token');
  await refused(await call(good, `/x?access_token=${good}`), 401, 'invalid_token');
  assert.equal(seen.length, passed);
});

test('RFC 6750 §2: refuses two tokens', async () => {
  const good = await token();
  const lines = [`GET /files/x HTTP/1.1`, 'Host: a', `Authorization: Bearer ${good}`, `Authorization: Bearer ${good}`];
  assert.equal((await rawRequest(Number(new URL(here.gateway).port), lines)).status, 401);
});

test('RFC 6750 §2.1: the name of the scheme has no case', async () => {
  assert.equal((await fetch(`${files}/x`, { headers: { authorization: `bEaReR ${await token()}` } })).status, 200);
});

test('RFC 9728 §3.1: the metadata stands at the path of the resource, and needs no token', async () => {
  for (const path of ['/files', '/files/mcp', '/files/']) {
    const answer = await fetch(`${here.gateway}/.well-known/oauth-protected-resource${path}`);
    assert.equal(answer.status, 200);
    const metadata = (await answer.json()) as Record<string, unknown>;
    assert.equal(metadata['resource'], files);
    assert.deepEqual(metadata['authorization_servers'], [issuer.issuer, second.issuer]);
    assert.deepEqual(metadata['scopes_supported'], ['files:read', 'files:write', 'files:own']);
    assert.deepEqual(metadata['bearer_methods_supported'], ['header']);
    assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  }
});

test('RFC 9728 §3.1: the metadata is read by clients that append the path, too', async () => {
  assert.equal((await fetch(`${files}/.well-known/oauth-protected-resource`)).status, 200);
  assert.equal((await fetch(`${files}/.well-known/oauth-authorization-server`)).status, 404);
});

test('MCP, discovery: the root form is 404 where it could mean several services', async () => {
  assert.equal((await fetch(`${here.gateway}/.well-known/oauth-protected-resource`)).status, 404);
});

test('MCP, discovery: a service that takes keys only advertises no OAuth', async () => {
  const unauthorised = await fetch(`${here.gateway}/keyed/x`);
  assert.equal(unauthorised.status, 401);
  assert.doesNotMatch(unauthorised.headers.get('www-authenticate') ?? '', /resource_metadata/);
  for (const path of [
    '/.well-known/oauth-protected-resource/keyed',
    '/keyed/.well-known/oauth-protected-resource',
    '/keyed/.well-known/oauth-authorization-server',
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration',
  ])
    assert.equal((await fetch(here.gateway + path)).status, 404, path);
});

test('a service that takes keys only refuses a JWT', async () => {
  const answer = await fetch(`${here.gateway}/keyed/x`, { headers: { authorization: `Bearer ${await token()}` } });
  await refused(answer, 401, 'invalid_token');
});

test('a service that takes both judges a JWT by its shape, and sends one Bearer challenge', async () => {
  const aud = `${here.gateway}/mixed`;
  const at = (headers: Record<string, string>) => fetch(`${aud}/x`, { headers });
  assert.equal((await at({ authorization: `Bearer ${await token({ aud })}` })).status, 200);
  const challenge = await refused(await at({ 'x-api-key': 'no-such-key' }), 401, 'invalid_token');
  assert.equal(challenge.match(/Bearer/g)?.length, 1);
  assert.match(challenge, /resource_metadata=/);
});

test('Fetch, CORS: the challenge is readable by pages, on 401 too', async () => {
  const { headers } = await fetch(`${files}/x`);
  assert.equal(headers.get('access-control-expose-headers'), 'WWW-Authenticate');
  assert.equal(headers.get('access-control-allow-origin'), '*');
});

test('Fetch, CORS: a preflight for the metadata is answered', async () => {
  const answer = await fetch(`${here.gateway}/.well-known/oauth-protected-resource/files`, { method: 'OPTIONS' });
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get('access-control-allow-headers'), 'MCP-Protocol-Version');
});

test('MCP, transports: a page of a foreign Origin gets 403, one that is allowed passes', async () => {
  const good = await token();
  await refused(await call(good, '/x', { origin: 'https://evil.example' }), 403, null);
  await refused(await call(good, '/x', { origin: 'null' }), 403, null);
  assert.equal((await call(good, '/x', { origin: 'https://app.example.org' })).status, 200);
});

test('a public route asks nobody', async () => {
  assert.equal((await fetch(`${files}/open`)).status, 200);
});

test('RFC 9449 §7.1: takes a bound token with a proof of its key', async () => {
  const { thumbprint, proof } = await proofMaker();
  const bound = await token({ cnf: { jkt: thumbprint } });
  const headers = { authorization: `DPoP ${bound}`, dpop: await proof(bound, `${files}/x`) };
  assert.equal((await fetch(`${files}/x?a=1`, { headers })).status, 200);
});

test('RFC 9449 §11.1: takes a proof once', async () => {
  const { thumbprint, proof } = await proofMaker();
  const bound = await token({ cnf: { jkt: thumbprint } });
  const headers = { authorization: `DPoP ${bound}`, dpop: await proof(bound, `${files}/x`) };
  assert.equal((await fetch(`${files}/x`, { headers })).status, 200);
  await refused(await fetch(`${files}/x`, { headers }), 401, 'invalid_dpop_proof');
});

test('RFC 9449 §7.2: a bound token without its proof is worth nothing', async () => {
  const { thumbprint } = await proofMaker();
  const bound = await token({ cnf: { jkt: thumbprint } });
  await refused(await call(bound), 401, 'invalid_token');
  await refused(await fetch(`${files}/x`, { headers: { authorization: `DPoP ${bound}` } }), 401, 'invalid_dpop_proof');
});

test('RFC 9449 §7.1: an unbound token gains nothing by a proof', async () => {
  const { proof } = await proofMaker();
  const plain = await token();
  const headers = { authorization: `DPoP ${plain}`, dpop: await proof(plain, `${files}/x`) };
  await refused(await fetch(`${files}/x`, { headers }), 401, 'invalid_token');
});

const proofs: readonly (readonly [what: string, claims: Claims, header?: Record<string, unknown>])[] = [
  ['for another method', { htm: 'POST' }],
  ['for another address', { htu: 'http://elsewhere.example/files/x' }],
  ['for another token', { ath: 'AAAA' }],
  ['of an hour ago', { iat: now() - 3600 }],
  ['from the future', { iat: now() + 3600 }],
  ['that has ended by its own words', { exp: now() - 1 }],
  ['that is not valid yet', { nbf: now() + 3600 }],
  ['whose end cannot be read', { exp: 'tomorrow' }],
  ['without an id', { jti: undefined }],
  ['of another type', {}, { typ: 'JWT' }],
  ['without a key', {}, { jwk: null }],
];
for (const [what, claims, header] of proofs)
  test(`RFC 9449 §4.3: refuses a proof ${what}`, async () => {
    const { thumbprint, proof } = await proofMaker();
    const bound = await token({ cnf: { jkt: thumbprint } });
    const dpop = await proof(bound, `${files}/x`, claims, header);
    await refused(
      await fetch(`${files}/x`, { headers: { authorization: `DPoP ${bound}`, dpop } }),
      401,
      'invalid_dpop_proof',
    );
  });

test('RFC 9449 §4.3: refuses a proof for another host of a request that names none', async () => {
  const { thumbprint, proof } = await proofMaker();
  const bound = await token({ cnf: { jkt: thumbprint } });
  // Put together without a host, the address of /files/x would be that of /x at the host "files".
  const lines = [`Authorization: DPoP ${bound}`, `DPoP: ${await proof(bound, 'http://files/x')}`];
  const port = Number(new URL(here.gateway).port);
  const answer = await rawRequest(port, ['GET /files/x HTTP/1.0', ...lines]);
  assert.equal(answer.status, 401);
  assert.match(answer.headers['www-authenticate'] ?? '', /error="invalid_dpop_proof"/);
});

test('RFC 9449 §6.1: refuses the proof of another key', async () => {
  const [one, other] = [await proofMaker(), await proofMaker()];
  const bound = await token({ cnf: { jkt: one.thumbprint } });
  const headers = { authorization: `DPoP ${bound}`, dpop: await other.proof(bound, `${files}/x`) };
  await refused(await fetch(`${files}/x`, { headers }), 401, 'invalid_dpop_proof');
});

test('RFC 9449 §7.1: a service that wants bound tokens says so, and takes no others', async () => {
  const aud = `${here.gateway}/bound`;
  const asked = await fetch(`${aud}/x`);
  assert.match(asked.headers.get('www-authenticate') ?? '', /^DPoP .*algs="RS256 PS256 ES256 EdDSA"/);
  await refused(
    await fetch(`${aud}/x`, { headers: { authorization: `Bearer ${await token({ aud })}` } }),
    401,
    'invalid_token',
  );
  const described = await (await fetch(`${here.gateway}/.well-known/oauth-protected-resource/bound`)).json();
  assert.equal((described as Record<string, unknown>)['dpop_bound_access_tokens_required'], true);
});

test('RFC 7517 §5: a key that the issuer adds counts, and made-up key ids do not make us ask each time', async () => {
  const added = await testKey('ES256', 'added');
  issuer.keys.push(added);
  const asked = issuer.asked.keys;
  for (let time = 0; time < 5; time += 1) await call(await token({}, { header: { kid: `made-up-${time}` } }));
  assert.ok(issuer.asked.keys <= asked + 1, 'five questions for five made-up keys');
  here.advance(31);
  assert.equal((await call(await token({ iat: now() + 31, exp: now() + 200 }, { key: added }))).status, 200);
});

test('a remembered token ends at its end, and with its key', async () => {
  const key = await testKey('ES256', 'short-lived');
  issuer.keys.push(key);
  here.advance(31);
  const good = await token({ exp: now() + 1000 }, { key });
  assert.equal((await call(good)).status, 200);
  assert.equal((await call(good)).status, 200);
  issuer.keys.splice(issuer.keys.indexOf(key), 1);
  here.advance(31);
  await call(await token({}, { header: { kid: 'asks anew' } }));
  await refused(await call(good), 401, 'invalid_token');
  const ending = await token({ exp: now() + 300 });
  assert.equal((await call(ending)).status, 200);
  here.advance(400);
  await refused(await call(ending), 401, 'invalid_token');
});

test('RFC 9110 §15.6.4: while an issuer’s keys cannot be had nobody is told that the token is bad', async () => {
  stranger.answers = false;
  const late = await oauthStack(lifetime, {
    yaml: () => `
oauth: { issuers: [{ issuer: '${stranger.issuer}' }] }
services:
  only: { upstream: 'http://127.0.0.1:1', accept: [oauth] }
`,
  });
  const headers = { authorization: `Bearer ${await stranger.token({ aud: `${late.gateway}/only` })}` };
  assert.equal((await fetch(`${late.gateway}/only/x`, { headers })).status, 503);
  // Where there is one service alone, the form without a path means it.
  assert.equal((await fetch(`${late.gateway}/.well-known/oauth-protected-resource`)).status, 200);
  stranger.answers = true;
  late.advance(5);
  assert.equal((await fetch(`${late.gateway}/only/x`, { headers })).status, 502);
});

test('MCP, streams: a stream ends when its token would not be taken any more by a new configuration', async () => {
  const streaming = createServer((_req, res) => void res.writeHead(200).flushHeaders()).listen(0, '127.0.0.1');
  await once(streaming, 'listening');
  ends.push(() => {
    streaming.closeAllConnections();
    streaming.close();
  });
  const upstreamUrl = `http://127.0.0.1:${(streaming.address() as AddressInfo).port}`;
  const place = await oauthStack(lifetime, {
    yaml: () => `
oauth: { issuers: [{ issuer: '${issuer.issuer}' }, { issuer: '${second.issuer}' }] }
services:
  lasting: { upstream: '${upstreamUrl}', accept: [oauth, api-key] }
`,
  });
  const { stack, gateway } = place;
  const { config } = stack;
  const bearer = await issuer.token({ aud: `${gateway}/lasting`, exp: now() + 86_400 });
  const opened = () => fetch(`${gateway}/lasting/x`, { headers: { authorization: `Bearer ${bearer}` } });
  type Service = (typeof config.services)[number];
  const reloaded = (change: (service: Service) => Partial<Service>, more: Partial<typeof config> = {}): void =>
    stack.reload({
      ...config,
      ...more,
      services: config.services.map((service) => ({ ...service, ...change(service) })),
    });
  const ofOauth = (change: object) => (service: Service) =>
    ({ oauth: { ...service.oauth, ...change } }) as Partial<Service>;
  const changes: readonly [string, () => void][] = [
    ['the issuer is trusted no more', () => reloaded(() => ({}), { oauth: withoutFirst() })],
    ['the issuer is not of this service any more', () => reloaded(ofOauth({ issuers: [second.issuer] }))],
    ['it is another resource', () => reloaded(ofOauth({ resource: 'https://elsewhere.example/' }))],
    ['it takes bound tokens only', () => reloaded(ofOauth({ dpopRequired: true }))],
    ['it takes keys only', () => reloaded(() => ({ accept: ['api-key'] }))],
  ];
  function withoutFirst() {
    return config.oauth && { ...config.oauth, issuers: config.oauth.issuers.slice(1) };
  }
  for (const [what, change] of changes) {
    const stream = await opened();
    assert.equal(stream.status, 200, what);
    const over = stream.text().then(
      () => 'over',
      () => 'over',
    );
    const later = () => new Promise((resolve) => setTimeout(resolve, 600, 'open'));
    reloaded(ofOauth({ scopes: ['files:read'] }));
    assert.equal(await Promise.race([over, later()]), 'open', `what does not touch it, before ${what}`);
    change();
    const limit = new Promise((resolve) => setTimeout(resolve, 5000, 'open'));
    assert.equal(await Promise.race([over, limit]), 'over', what);
    stack.reload(config);
  }
});
