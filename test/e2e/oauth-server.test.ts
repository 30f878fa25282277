/** The embedded authorization server, as a client and a browser see it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { randomBytes, createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createClient, revokeClient } from '../../src/authority/oauth/clients.ts';
import { adminToken } from '../fixtures/authority-stack.ts';
import { plainBrowser, type PlainBrowser, type Visit } from '../fixtures/oauth-browser.ts';
import { proofMaker } from '../fixtures/oauth-issuer.ts';
import { stranger, type Stranger } from '../fixtures/stranger.ts';
import { oauthStack, type OauthStack } from '../fixtures/oauth-stack.ts';
import { loggedIn as operatorWith, password } from '../fixtures/operator.ts';

const ends: (() => unknown)[] = [];
const lifetime = { after: (end: () => unknown) => void ends.push(end) } as never;
let here: OauthStack;
let upstream: Server;
let outside: Stranger;
const documents = new Map<string, object>();
let files: string;

before(async () => {
  upstream = createServer((_req, res) => res.end('served')).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  ends.push(() => upstream.close());
  const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  outside = await stranger(lifetime, (path) => {
    const found = documents.get(path);
    if (found && 'elsewhere' in found) return { status: 302, location: String(found.elsewhere) };
    return found ? { body: JSON.stringify(found) } : { status: 404 };
  });
  here = await oauthStack(lifetime, {
    // The stranger's address alone counts as public.
    documents: {
      ca: outside.ca,
      mayReach: (address) => address === '127.0.0.1',
      lookup: (name, _options, done) =>
        done(null, [{ address: name === 'localhost' ? '127.0.0.1' : '10.0.0.1', family: 4 }]),
    },
    yaml: () => `
oauth: { server: { registration: true } }
services:
  files:
    upstream: ${origin}
    accept: [oauth]
    oauth: { scopes: [files:read] }
    routes: [{ path: /write, scopes: [files:write] }]
  bare: { upstream: '${origin}', accept: [oauth] }
`,
  });
  files = `${here.gateway}/files`;
});
after(async () => {
  for (const end of ends.toReversed()) await end();
});

const redirect = 'http://127.0.0.1:5555/callback';

/** The client of most tests: who registers again and again is stopped. */
let usual: Promise<string> | null = null;
function registered(more?: object): Promise<string> {
  return more === undefined ? (usual ??= register({})) : register(more);
}

async function register(more: object): Promise<string> {
  const answer = await fetch(`${here.admin}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'A client',
      redirect_uris: [redirect],
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      token_endpoint_auth_method: 'none',
      ...more,
    }),
  });
  const body = (await answer.json()) as { client_id: string };
  assert.equal(answer.status, 201, JSON.stringify(body));
  return body.client_id;
}

interface Asking {
  readonly clientId: string;
  readonly scope?: string;
  readonly resource?: string;
  readonly more?: Readonly<Record<string, string>>;
}

function question({ clientId, scope = 'files:read', resource = files, more = {} }: Asking) {
  const verifier = randomBytes(32).toString('base64url');
  const parameters = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirect,
    state: 'a-state',
    scope,
    resource,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  };
  const given = Object.entries(parameters).filter(([, value]) => value !== '');
  return { verifier, url: `${here.admin}/oauth/authorize?${new URLSearchParams(given)}` };
}

async function allowed(browser: PlainBrowser, url: string): Promise<URL> {
  let page: Visit = await browser.open(url);
  if (page.landed === null && page.body.includes('Log in'))
    page = await browser.submit(page, '/login', { token: adminToken });
  if (page.landed === null) page = await browser.submit(page, '/confirm');
  assert.ok(page.landed, `${page.status} ${page.body}`);
  return page.landed;
}

type Tokens = Record<string, string>;

async function token(form: Record<string, string>, headers: Record<string, string> = {}) {
  const answer = await fetch(`${here.admin}/oauth/token`, { method: 'POST', body: new URLSearchParams(form), headers });
  return { status: answer.status, body: (await answer.json()) as Tokens };
}

async function loggedIn(clientId: string, scope = 'files:read', browser = plainBrowser(here.admin)): Promise<Tokens> {
  const { verifier, url } = question({ clientId, scope });
  const landed = await allowed(browser, url);
  const { status, body } = await token(exchange(clientId, landed, verifier));
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

const exchange = (clientId: string, landed: URL, verifier: string) => ({
  grant_type: 'authorization_code',
  client_id: clientId,
  code: landed.searchParams.get('code') ?? '',
  redirect_uri: redirect,
  code_verifier: verifier,
});
const refresh = (clientId: string, refreshToken: string, more = {}) =>
  token({ grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken, ...more });
const call = (accessToken: string, path = '/x') =>
  fetch(files + path, { headers: { authorization: `Bearer ${accessToken}` } }).then(({ status }) => status);

/** What was taken back reaches the gateway with the store's feed. */
async function dead(accessToken: string): Promise<void> {
  for (let look = 0; look < 100; look += 1) {
    if ((await call(accessToken)) === 401) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('the access token is still taken');
}

test('metadata (RFC 8414) names every endpoint by the issuer, and PKCE with S256 only', async () => {
  const metadata = (await (await fetch(`${here.admin}/.well-known/oauth-authorization-server`)).json()) as Record<
    string,
    unknown
  >;
  assert.equal(metadata['issuer'], here.admin);
  for (const name of ['authorization', 'token', 'registration', 'revocation', 'introspection', 'device_authorization'])
    assert.ok(String(metadata[`${name}_endpoint`]).startsWith(`${here.admin}/oauth/`), name);
  assert.deepEqual(metadata['code_challenge_methods_supported'], ['S256']);
  assert.equal(metadata['client_id_metadata_document_supported'], true);
  assert.equal(metadata['authorization_response_iss_parameter_supported'], true);
});

test('nothing of it is to be had on the origin of the services', async () => {
  for (const path of ['/oauth/authorize', '/oauth/token', '/oauth/jwks', '/.well-known/oauth-authorization-server'])
    assert.equal((await fetch(here.gateway + path)).status, 404, path);
});

test('a client registers, an operator logs in and agrees, and the token opens that service alone', async () => {
  const clientId = await registered();
  const browser = plainBrowser(here.admin);
  const { verifier, url } = question({ clientId });
  const login = await browser.open(url);
  assert.match(login.body, /Name.*Password.*admin token/s);
  assert.match(login.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
  const consent = await browser.submit(login, '/login', { token: adminToken });
  assert.match(consent.body, /A client/);
  assert.match(consent.body, /127\.0\.0\.1:5555/);
  assert.match(consent.body, /files:read/);
  const { landed } = await browser.submit(consent, '/confirm');
  assert.equal(landed?.searchParams.get('iss'), here.admin);
  assert.equal(landed?.searchParams.get('state'), 'a-state');
  const { status, body } = await token(exchange(clientId, landed as URL, verifier));
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(await call(body['access_token'] ?? ''), 200);
  assert.equal(await call(body['access_token'] ?? '', '/write'), 403);
  const elsewhere = await fetch(`${here.gateway}/bare/x`, {
    headers: { authorization: `Bearer ${body['access_token']}` },
  });
  assert.equal(elsewhere.status, 401);
});

test('step-up: more scopes are asked for, and what was granted stays', async () => {
  const clientId = await registered();
  const browser = plainBrowser(here.admin);
  await loggedIn(clientId, 'files:read', browser);
  const more = await loggedIn(clientId, 'files:read files:write', browser);
  assert.equal(await call(more['access_token'] ?? '', '/write'), 200);
});

test('a service without scopes is agreed to as well, each by itself', async () => {
  const clientId = await registered();
  const browser = plainBrowser(here.admin);
  await loggedIn(clientId, 'files:read', browser);
  const { verifier, url } = question({ clientId, scope: '', resource: `${here.gateway}/bare` });
  const page = await browser.submit(await browser.open(url), '/login', { token: adminToken });
  assert.match(page.body, /Let this client in/);
  const { landed } = await browser.submit(page, '/confirm');
  const { body } = await token(exchange(clientId, landed as URL, verifier));
  const answer = await fetch(`${here.gateway}/bare/x`, {
    headers: { authorization: `Bearer ${body['access_token']}` },
  });
  assert.equal(answer.status, 200, JSON.stringify(body));
});

test('a registration that nests without end is refused, and is no fault of ours', async () => {
  const metadata = { redirect_uris: [redirect], token_endpoint_auth_method: 'none' };
  const answer = await fetch(`${here.admin}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(metadata).replace('{', `{"more":${'['.repeat(20_000)}${']'.repeat(20_000)},`),
  });
  assert.equal(answer.status, 400);
  assert.equal(((await answer.json()) as Tokens)['error'], 'invalid_client_metadata');
});

test('a registration is no larger than a client needs: strangers make hundreds of them in an hour', async () => {
  const answerTo = async (more: object) => {
    const answer = await fetch(`${here.admin}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: [redirect], ...more }),
    });
    return { status: answer.status, body: (await answer.json()) as Tokens };
  };
  for (const method of ['none', 'client_secret_basic']) {
    const large = { token_endpoint_auth_method: method, client_name: 'x'.repeat(8192) };
    const { status, body } = await answerTo(large);
    assert.deepEqual([status, body['error']], [400, 'invalid_client_metadata']);
    assert.match(body['error_description'] ?? '', /8192/);
    const { status: taken } = await answerTo({ ...large, client_name: 'x'.repeat(7900) });
    assert.equal(taken, 201);
  }
});

test('registering the same again is the same client; with a secret it never is', async () => {
  assert.equal(await registered({ client_name: 'Once' }), await registered({ client_name: 'Once' }));
  const secret = { client_name: 'Twice', token_endpoint_auth_method: 'client_secret_basic' };
  assert.notEqual(await registered(secret), await registered(secret));
});

test('refresh tokens rotate, and two at once both succeed', async () => {
  const clientId = await registered();
  const first = await loggedIn(clientId);
  const [one, other] = await Promise.all([
    refresh(clientId, first['refresh_token'] ?? ''),
    refresh(clientId, first['refresh_token'] ?? ''),
  ]);
  assert.deepEqual([one.status, other.status], [200, 200]);
  assert.notEqual(one.body['refresh_token'], first['refresh_token']);
  assert.equal(await call(one.body['access_token'] ?? ''), 200);
});

test('a refresh token used again later ends the whole family, access tokens included', async () => {
  const clientId = await registered();
  const first = await loggedIn(clientId);
  const second = await refresh(clientId, first['refresh_token'] ?? '');
  assert.equal(await call(second.body['access_token'] ?? ''), 200);
  here.advance(15);
  assert.equal((await refresh(clientId, first['refresh_token'] ?? '')).body['error'], 'invalid_grant');
  assert.equal((await refresh(clientId, second.body['refresh_token'] ?? '')).body['error'], 'invalid_grant');
  await dead(second.body['access_token'] ?? '');
});

test('a code is taken once; a second time it ends what came of it', async () => {
  const clientId = await registered();
  const { verifier, url } = question({ clientId });
  const landed = await allowed(plainBrowser(here.admin), url);
  const first = await token(exchange(clientId, landed, verifier));
  assert.equal(first.status, 200);
  assert.equal((await token(exchange(clientId, landed, verifier))).body['error'], 'invalid_grant');
  await dead(first.body['access_token'] ?? '');
});

test('PKCE: none, plain, and a wrong verifier are refused', async () => {
  const clientId = await registered();
  for (const more of [{ code_challenge: '', code_challenge_method: '' }, { code_challenge_method: 'plain' }]) {
    const { landed } = await plainBrowser(here.admin).open(
      question({ clientId, more: more as Record<string, string> }).url,
    );
    assert.equal(landed?.searchParams.get('error'), 'invalid_request');
  }
  const { url } = question({ clientId });
  const landed = await allowed(plainBrowser(here.admin), url);
  const wrong = await token(exchange(clientId, landed, randomBytes(32).toString('base64url')));
  assert.equal(wrong.body['error'], 'invalid_grant');
  assert.equal((await token({ ...exchange(clientId, landed, ''), code_verifier: '' })).status, 400);
});

test('answers go over TLS, or to a program on the same machine: other addresses are not registered', async (t) => {
  const { admin } = await oauthStack(t as never, {
    yaml: () => `
oauth: { server: { registration: true } }
services: { files: { upstream: 'http://127.0.0.1:9', accept: [oauth] } }
`,
  });
  const ask = async (application: string, ...uris: readonly unknown[]) => {
    const answer = await fetch(`${admin}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: 'A client',
        application_type: application,
        redirect_uris: uris,
        token_endpoint_auth_method: 'none',
      }),
    });
    return { status: answer.status, body: (await answer.json()) as Tokens };
  };
  for (const application of ['web', 'native'])
    for (const uri of ['http://evil.example/cb', 'http://10.0.0.7/cb', 'HTTP://127.0.0.1.evil.example/cb']) {
      const refused = await ask(application, redirect, uri);
      assert.deepEqual([refused.status, refused.body['error']], [400, 'invalid_redirect_uri'], uri);
      assert.match(refused.body['error_description'] ?? '', /https.*127\.0\.0\.1/, uri);
    }
  for (const [application, uri] of [
    ['web', 'https://app.example/cb'],
    ['web', 'http://localhost:5555/cb'],
    ['native', 'http://[::1]/cb'],
    ['native', 'com.example.app:/cb'],
  ] as const)
    assert.equal((await ask(application, uri)).status, 201, uri);
  for (const odd of [7, null, 'not an address', { uri: redirect }])
    assert.equal((await ask('web', odd)).status, 400, String(odd));

  // Nor is a document taken that names one.
  const clientId = `https://localhost:${outside.port}/clear.json`;
  documents.set('/clear.json', {
    client_id: clientId,
    redirect_uris: ['http://evil.example/cb'],
    token_endpoint_auth_method: 'none',
  });
  const page = await plainBrowser(here.admin).open(
    question({ clientId, more: { redirect_uri: 'http://evil.example/cb' } }).url,
  );
  assert.deepEqual([page.status, page.landed], [400, null]);
  assert.match(page.body, /127\.0\.0\.1/);
});

test('no open redirect: only an address that the client registered, to the letter', async () => {
  const clientId = await registered();
  for (const uri of [
    'https://evil.example/callback',
    'http://127.0.0.1:5555/callback/',
    'http://127.0.0.1:5555/callback?x=1',
    'http://127.0.0.1:5555@evil.example/callback',
    'http://127.0.0.1:5555/callback#f',
  ]) {
    const page = await plainBrowser(here.admin).open(question({ clientId, more: { redirect_uri: uri } }).url);
    assert.equal(page.landed, null, uri);
    assert.equal(page.status, 400, uri);
  }
});

test('consent without login, and of another browser, leads nowhere', async () => {
  const clientId = await registered();
  const browser = plainBrowser(here.admin);
  const login = await browser.open(question({ clientId }).url);
  const uid = /interaction\/([^/"]+)\/login/.exec(login.body)?.[1] ?? '';
  const post = (headers: Record<string, string>) =>
    fetch(`${here.admin}/oauth/interaction/${uid}/confirm`, { method: 'POST', body: '', redirect: 'manual', headers });
  const without = await post({ origin: here.admin });
  assert.equal(without.status, 400);
  // With the cookie, but nobody logged in: asked to log in still.
  const early = await browser.submit({ ...login, body: login.body.replace('/login"', '/confirm"') }, '/confirm');
  assert.match(early.body, /Log in/);
  assert.equal(early.landed, null);
});

test('a login that somebody else began, and put into an operator’s browser, logs in nobody but that operator', async () => {
  const clientId = await registered();
  const { url } = question({ clientId });
  const beginner = plainBrowser(here.admin);
  const begun = await beginner.open(url);
  const operator = plainBrowser(here.admin);
  // What a page of any port of this machine, or of a host beside ours, can set by document.cookie.
  for (const [name, value] of beginner.cookies) if (name.includes('interaction')) operator.cookies.set(name, value);
  const shown = await operator.open(begun.url);
  assert.match(shown.body, /Log in/);
  await operator.submit(shown, '/login', { token: adminToken });
  const uid = begun.url.split('/').at(-1) ?? '';
  for (const path of [uid, 'another']) {
    const taken = await beginner.open(`${here.admin}/oauth/authorize/${path}`);
    assert.equal(taken.status, 400, taken.body);
    assert.match(taken.body, /begun in another browser/);
  }
  const again = await beginner.open(url);
  assert.match(again.body, /Log in/);
});

test('what goes on with nothing that was begun is told so, and is no fault of ours', async () => {
  for (const path of ['authorize', 'device'])
    for (const cookie of ['', 'countersign_oauth_resume=made-up']) {
      const answer = await fetch(`${here.admin}/oauth/${path}/made-up`, { headers: { cookie } });
      assert.equal(answer.status, 400, path);
      assert.match(answer.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
      assert.match(await answer.text(), /Begin again/);
    }
  for (const cookie of ['', 'countersign_oauth_session=made-up']) {
    const body = new URLSearchParams({ xsrf: 'made-up', user_code: 'BCDF-GHJK', confirm: 'yes' });
    const answer = await fetch(`${here.admin}/oauth/device`, { method: 'POST', headers: { cookie }, body });
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /Begin again/);
  }
});

test('a form answered from another origin is refused, a service’s on the same machine included', async () => {
  const clientId = await registered();
  const browser = plainBrowser(here.admin);
  const login = await browser.open(question({ clientId }).url);
  for (const origin of ['https://evil.example', here.gateway]) {
    const answer = await browser.submit(login, '/login', { token: adminToken }, { origin });
    assert.equal(answer.status, 403, origin);
  }
});

test('a wrong login is told so, and the operator may refuse', async () => {
  const clientId = await registered();
  const browser = plainBrowser(here.admin);
  const login = await browser.open(question({ clientId }).url);
  const wrong = await browser.submit(login, '/login', { token: 'a-guess' });
  assert.equal(wrong.status, 401);
  const consent = await browser.submit(wrong, '/login', { token: adminToken });
  const { landed } = await browser.submit(consent, '/abort');
  assert.equal(landed?.searchParams.get('error'), 'access_denied');
});

test('an operator lets a client in by an account of their own, and a viewer does not', async () => {
  const clientId = await registered();
  await operatorWith(here.stack, here.admin, 'olga');
  await operatorWith(here.stack, here.admin, 'vera', 'viewer');
  const browser = plainBrowser(here.admin);
  const login = await browser.open(question({ clientId }).url);
  assert.equal((await browser.submit(login, '/login', { name: 'olga', password: 'a guess' })).status, 401);
  assert.equal((await browser.submit(login, '/login', { name: 'vera', password })).status, 403);
  const consent = await browser.submit(login, '/login', { name: 'olga', password });
  assert.match(consent.body, /olga/);
  const { landed } = await browser.submit(consent, '/confirm');
  assert.ok(landed?.searchParams.get('code'));
});

test('no token is made for a resource that is not here', async () => {
  const clientId = await registered();
  const { landed } = await plainBrowser(here.admin).open(
    question({ clientId, resource: 'https://elsewhere.example' }).url,
  );
  assert.equal(landed?.searchParams.get('error'), 'invalid_target');
});

test('revocation (RFC 7009): of a refresh token ends the grant, of an access token that one', async () => {
  const clientId = await registered();
  const revoke = (value: string, by = clientId) =>
    fetch(`${here.admin}/oauth/revoke`, { method: 'POST', body: new URLSearchParams({ token: value, client_id: by }) });
  const first = await loggedIn(clientId);
  // Another client's word counts for nothing.
  assert.equal((await revoke(first['access_token'] ?? '', await registered({ client_name: 'Other' }))).status, 200);
  assert.equal(await call(first['access_token'] ?? ''), 200);
  assert.equal((await revoke(first['access_token'] ?? '')).status, 200);
  await dead(first['access_token'] ?? '');
  const second = await refresh(clientId, first['refresh_token'] ?? '');
  assert.equal(await call(second.body['access_token'] ?? ''), 200);
  assert.equal((await revoke(second.body['refresh_token'] ?? '')).status, 200);
  await dead(second.body['access_token'] ?? '');
  assert.equal((await refresh(clientId, second.body['refresh_token'] ?? '')).body['error'], 'invalid_grant');
});

test('introspection (RFC 7662) says what is live, to the client itself', async () => {
  const clientId = await registered();
  const tokens = await loggedIn(clientId);
  const ask = async (by: string): Promise<Record<string, unknown>> => {
    const body = new URLSearchParams({ token: tokens['access_token'] ?? '', client_id: by });
    return (await fetch(`${here.admin}/oauth/introspect`, { method: 'POST', body })).json() as Promise<
      Record<string, unknown>
    >;
  };
  const own = await ask(clientId);
  assert.equal(own['active'], true);
  assert.equal(own['aud'], files);
  assert.deepEqual(await ask(await registered({ client_name: 'Curious' })), { active: false });
});

test('a device without a browser is connected by its code (RFC 8628)', async () => {
  const clientId = await registered();
  const started = await fetch(`${here.admin}/oauth/device_authorization`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: clientId, scope: 'files:read', resource: files }),
  });
  const device = (await started.json()) as Tokens;
  assert.equal(started.status, 200, JSON.stringify(device));
  const poll = () =>
    token({
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      client_id: clientId,
      device_code: device['device_code'] ?? '',
    });
  assert.equal((await poll()).body['error'], 'authorization_pending');
  const browser = plainBrowser(here.admin);
  const entry = await browser.open(`${here.admin}/oauth/device`);
  const confirm = await browser.submit(entry, '/device', { user_code: device['user_code'] ?? '' });
  assert.match(confirm.body, /A client/);
  const login = await browser.submit(confirm, '/device');
  const consent = await browser.submit(login, '/login', { token: adminToken });
  const done = await browser.submit(consent, '/confirm');
  assert.match(done.body, /go on at the device/);
  const { status, body } = await poll();
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(await call(body['access_token'] ?? ''), 200);
});

test('what is stored can be presented by nobody', async () => {
  const clientId = await registered();
  const stored = async (): Promise<string> => {
    const { records } = here.stack.store;
    const kept: unknown[] = [];
    for (const kind of await records.kinds()) kept.push(...(await records.list(kind, here.stack.clock())));
    return JSON.stringify(kept);
  };
  const browser = plainBrowser(here.admin);
  const tokens = await loggedIn(clientId, 'files:read', browser);
  const started = await fetch(`${here.admin}/oauth/device_authorization`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: clientId, scope: 'files:read files:write', resource: files }),
  });
  const device = (await started.json()) as Tokens;
  const pushed = await fetch(`${here.admin}/oauth/par`, {
    method: 'POST',
    body: new URLSearchParams([
      ...new URL(question({ clientId: await registered({ client_name: 'Other' }) }).url).searchParams,
    ]),
  });
  const { request_uri: requestUri = '' } = (await pushed.json()) as Tokens;
  const secrets = (): string[] => [
    tokens['refresh_token'] ?? '',
    tokens['access_token'] ?? '',
    device['device_code'] ?? '',
    device['user_code'] ?? '',
    (device['user_code'] ?? '').replaceAll('-', ''),
    requestUri.slice(requestUri.lastIndexOf(':') + 1),
    ...browser.cookies.values(),
  ];
  const entry = await browser.open(`${here.admin}/oauth/device`);
  const confirm = await browser.submit(entry, '/device', { user_code: device['user_code'] ?? '' });
  const consent = await browser.submit(await browser.submit(confirm, '/device'), '/login', { token: adminToken });
  assert.match(consent.body, /Let this client in/);
  // And one that was pushed, asked about by somebody who is logged in.
  const other = await registered({ client_name: 'Other' });
  const asking = new URLSearchParams({ client_id: other, request_uri: requestUri });
  const login = await browser.open(`${here.admin}/oauth/authorize?${asking}`);
  assert.match((await browser.submit(login, '/login', { token: adminToken })).body, /Let this client in/);
  const text = await stored();
  assert.ok(text.includes('A client'));
  assert.ok(secrets().every((secret) => secret.length > 7));
  for (const secret of secrets()) assert.equal(text.includes(secret), false, secret);
  assert.doesNotMatch(text, /"d":/);
});

const order = { name: 'A machine', redirectUris: [], device: false, scopes: ['files:write'], jwks: null };
const clients = () => ({ records: here.stack.store.records, clock: here.stack.clock, accessTokenSeconds: 300 });
const basic = (id: string, secret: string) => ({ authorization: `Basic ${btoa(`${id}:${secret}`)}` });

test('a machine gets in with its secret, for its own scopes and one resource (client credentials)', async () => {
  const { clientId, secret } = await createClient(order, clients());
  const ask = (scope: string, resource: string, key = secret ?? '') =>
    token({ grant_type: 'client_credentials', scope, resource }, basic(clientId, key));
  const { status, body } = await ask('files:write', files);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(await call(body['access_token'] ?? '', '/x'), 200);
  assert.equal((await ask('files:write', files, 'a-guess')).body['error'], 'invalid_client');
  assert.equal((await ask('files:write', 'https://elsewhere.example')).body['error'], 'invalid_target');
  const widened = await ask('files:write files:read', files);
  assert.ok(widened.status !== 200 || !(widened.body['scope'] ?? '').includes('files:read'), JSON.stringify(widened));
  // What an operator ends is dead at once, for good.
  assert.equal(await revokeClient(clientId, clients()), 0);
  await dead(body['access_token'] ?? '');
  assert.equal((await ask('files:write', files)).body['error'], 'invalid_client');
});

test('a client that is gone has no live tokens, where the store went away in the middle of it, too', async () => {
  const { clientId, secret } = await createClient(order, clients());
  const form = { grant_type: 'client_credentials', scope: 'files:write', resource: files };
  const { body } = await token(form, basic(clientId, secret ?? ''));
  const { records, ...rest } = clients();
  const failing = { ...records, list: () => Promise.reject(new Error('away')) };
  await assert.rejects(revokeClient(clientId, { ...rest, records: failing }), /away/);
  assert.equal((await token(form, basic(clientId, secret ?? ''))).body['error'], 'invalid_client');
  await dead(body['access_token'] ?? '');
});

test('who came by itself is never let in without an operator, whatever grants it registers for', async () => {
  const answer = await fetch(`${here.admin}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'A stranger',
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
      scope: 'files:write',
    }),
  });
  const { client_id: id, client_secret: secret } = (await answer.json()) as Tokens;
  assert.equal(answer.status, 201);
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const own = `https://localhost:${outside.port}/machine.json`;
  documents.set('/machine.json', {
    client_id: own,
    redirect_uris: [],
    response_types: [],
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'own' }] },
  });
  const assertion = await new SignJWT({ iss: own, sub: own, aud: here.admin, jti: 'm' })
    .setProtectedHeader({ alg: 'ES256', kid: 'own' })
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(privateKey);
  const wanted = { grant_type: 'client_credentials', resource: files, scope: 'files:write' };
  const registeredAnswer = await token(wanted, basic(id ?? '', secret ?? ''));
  assert.equal(registeredAnswer.body['error'], 'unauthorized_client', JSON.stringify(registeredAnswer));
  const described = await token({
    ...wanted,
    client_id: own,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  });
  assert.equal(described.body['error'], 'unauthorized_client', JSON.stringify(described));
});

test('a machine proves itself with its own key, each proof once (private_key_jwt)', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwks = [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'own' }];
  const { clientId, secret } = await createClient({ ...order, jwks }, clients());
  assert.equal(secret, null);
  const assertion = await new SignJWT({ iss: clientId, sub: clientId, aud: here.admin, jti: 'one' })
    .setProtectedHeader({ alg: 'ES256', kid: 'own' })
    .setIssuedAt()
    .setExpirationTime('1m')
    .sign(privateKey);
  const ask = () =>
    token({
      grant_type: 'client_credentials',
      resource: files,
      scope: 'files:write',
      client_id: clientId,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    });
  const { status, body } = await ask();
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(await call(body['access_token'] ?? ''), 200);
  assert.equal((await ask()).body['error'], 'invalid_client');
});

test('a token that is asked for with a proof is bound to its key (DPoP)', async () => {
  const clientId = await registered();
  const { verifier, url } = question({ clientId });
  const landed = await allowed(plainBrowser(here.admin), url);
  const { proof } = await proofMaker();
  const place = `${here.admin}/oauth/token`;
  const { status, body } = await token(exchange(clientId, landed, verifier), {
    dpop: await proof('', place, { htm: 'POST', ath: undefined }),
  });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body['token_type'], 'DPoP');
  const access = body['access_token'] ?? '';
  assert.equal(await call(access), 401);
  const headers = { authorization: `DPoP ${access}`, dpop: await proof(access, `${files}/x`) };
  assert.equal((await fetch(`${files}/x`, { headers })).status, 200);
  // A stolen refresh token is worth nothing without the key.
  assert.equal((await refresh(clientId, body['refresh_token'] ?? '')).status, 400);
});

test('a client whose id is the address of its document is let in, by that alone', async () => {
  const clientId = `https://localhost:${outside.port}/client.json`;
  documents.set('/client.json', {
    client_id: clientId,
    client_name: 'Described elsewhere',
    redirect_uris: [redirect],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
  });
  const tokens = await loggedIn(clientId);
  assert.equal(await call(tokens['access_token'] ?? ''), 200);
  assert.ok(outside.paths.includes('/client.json'));
});

const lies: readonly (readonly [what: string, path: string, document: object])[] = [
  ['that names another client', '/lie.json', { client_id: 'https://localhost/other.json', redirect_uris: [redirect] }],
  ['that leads elsewhere', '/redirect.json', { elsewhere: 'https://169.254.169.254/latest/meta-data' }],
  ['that is larger than any needs to be', '/large.json', { client_name: 'x'.repeat(10_000) }],
];
for (const [what, path, document] of lies)
  test(`a document ${what} is refused`, async () => {
    const clientId = `https://localhost:${outside.port}${path}`;
    documents.set(path, {
      token_endpoint_auth_method: 'none',
      redirect_uris: [redirect],
      client_id: clientId,
      ...document,
    });
    const page = await plainBrowser(here.admin).open(question({ clientId }).url);
    assert.equal(page.landed, null);
    assert.equal(page.status, 400, page.body);
  });

test('a document on this machine or in a private network is never asked for', async () => {
  const asked = outside.paths.length;
  for (const clientId of [
    'https://127.0.0.2/client.json',
    'https://[::1]/client.json',
    'https://169.254.169.254/latest/meta-data',
    // A name that stands for a private address.
    'https://intranet.example/client.json',
    'http://localhost/client.json',
  ]) {
    const page = await plainBrowser(here.admin).open(question({ clientId }).url);
    assert.equal(page.landed, null, clientId);
    assert.equal(page.status, 400, clientId);
  }
  assert.equal(outside.paths.length, asked);
});

test('nobody makes us ask another server for documents without end', async () => {
  const earlier = outside.paths.length;
  const asked = 100;
  for (let count = 0; count < asked; count += 1) {
    const clientId = `https://localhost:${outside.port}/made-up-${count}.json`;
    const { status, body } = await token({ grant_type: 'refresh_token', refresh_token: 'x', client_id: clientId });
    assert.equal(status, 400, JSON.stringify(body));
  }
  const came = outside.paths.length - earlier;
  assert.ok(came > 0 && came <= 60, `${came} of ${asked} reached it`);
});

test('nor as many servers as it can think of, which other addresses do not suffer for', async (t) => {
  const names = new Set<string>();
  const { admin } = await oauthStack(t as never, {
    documents: {
      lookup(name, _options, done) {
        names.add(name);
        done(null, [{ address: '10.0.0.1', family: 4 }]);
      },
    },
    yaml: () => `
trustedProxies: [127.0.0.1]
oauth: { server: {} }
services: { files: { upstream: 'http://127.0.0.1:9', accept: [oauth] } }
`,
  });
  const ask = async (from: string, name: string): Promise<void> => {
    const body = new URLSearchParams({ token: 'x', client_id: `https://${name}.example/client.json` });
    const answer = await fetch(`${admin}/oauth/revoke`, { method: 'POST', headers: { 'x-forwarded-for': from }, body });
    assert.equal(answer.status, 400);
    await answer.body?.cancel();
  };
  for (let count = 0; count < 100; count += 1) await ask(`2001:db8:1:2::${count}`, `made-up-${count}`);
  assert.ok(names.size > 0 && names.size <= 60, `${names.size} names were looked up`);
  await ask('192.0.2.7', 'another');
  assert.ok(names.has('another.example'));
});

test('mixed-up issuer (RFC 9207): every answer, a refusal too, says whose it is', async () => {
  const clientId = await registered();
  const { landed } = await plainBrowser(here.admin).open(
    question({ clientId, resource: 'https://elsewhere.example' }).url,
  );
  assert.equal(landed?.searchParams.get('iss'), here.admin);
});

test('parameters sent twice are refused', async () => {
  const clientId = await registered();
  const page = await plainBrowser(here.admin).open(
    `${question({ clientId }).url}&redirect_uri=https%3A%2F%2Fevil.example`,
  );
  assert.equal(page.landed?.searchParams.get('error'), 'invalid_request');
  assert.equal(page.landed?.origin, new URL(redirect).origin);
});

test('RFC 7591 §5: who registers again and again is stopped, whichever address of its network it takes', async (t) => {
  const { admin } = await oauthStack(t as never, {
    yaml: () => `
trustedProxies: [127.0.0.1]
oauth: { server: { registration: true } }
services: { files: { upstream: 'http://127.0.0.1:9', accept: [oauth] } }
`,
  });
  const statuses: number[] = [];
  for (let host = 1; host <= 21; host += 1) {
    const answer = await fetch(`${admin}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': `2001:db8:1:2::${host}` },
      body: JSON.stringify({ redirect_uris: [redirect], token_endpoint_auth_method: 'none' }),
    });
    statuses.push(answer.status);
    await answer.body?.cancel();
  }
  assert.deepEqual(statuses, [...Array<number>(20).fill(201), 429]);
});

test('who begins login after login, and ends none, is stopped before the store is full of them', async (t) => {
  const { admin, stack } = await oauthStack(t as never, {
    yaml: () => `
oauth: { server: {} }
services: { files: { upstream: 'http://127.0.0.1:9', accept: [oauth] } }
`,
  });
  const { clientId } = await createClient(
    { name: 'A client', redirectUris: [redirect], device: true, scopes: [], jwks: null },
    { records: stack.store.records, clock: stack.clock, accessTokenSeconds: 300 },
  );
  const ask = new URL(question({ clientId, resource: '' }).url).search;
  const ways: readonly (() => Promise<Response>)[] = [
    () => fetch(`${admin}/oauth/authorize${ask}`, { redirect: 'manual' }),
    () => fetch(`${admin}/oauth/par`, { method: 'POST', body: new URLSearchParams(ask) }),
    () =>
      fetch(`${admin}/oauth/device_authorization`, {
        method: 'POST',
        body: new URLSearchParams({ client_id: clientId, scope: 'openid' }),
      }),
    () => fetch(`${admin}/oauth/device`),
  ];
  const statuses = new Set<number>();
  for (let count = 0; count < 300; count += 1) {
    const answer = await ways[count % ways.length]?.();
    statuses.add(answer?.status ?? 0);
    await answer?.body?.cancel();
  }
  assert.deepEqual([...statuses].toSorted(), [200, 201, 303]);
  for (const way of ways) {
    const answer = await way();
    assert.equal(answer.status, 429);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    await answer.body?.cancel();
  }
});

test('all that is agreed to is shown, however much it is', async (t) => {
  const scopes = Array.from({ length: 8 }, (_, index) => `${'s'.repeat(100)}:${index}`);
  const { admin, gateway, stack } = await oauthStack(t as never, {
    yaml: () => `
oauth: { server: {} }
services:
  files: { upstream: 'http://127.0.0.1:9', accept: [oauth], oauth: { scopes: ${JSON.stringify(scopes)} } }
`,
  });
  const { clientId } = await createClient(
    { name: 'A client', redirectUris: [redirect], device: false, scopes: [], jwks: null },
    { records: stack.store.records, clock: stack.clock, accessTokenSeconds: 300 },
  );
  const { search } = new URL(question({ clientId, scope: scopes.join(' '), resource: `${gateway}/files` }).url);
  const browser = plainBrowser(admin);
  const login = await browser.open(`${admin}/oauth/authorize${search}`);
  const consent = await browser.submit(login, '/login', { token: adminToken });
  for (const scope of scopes) assert.ok(consent.body.includes(scope), `${scope} is not shown: ${consent.body}`);
});
