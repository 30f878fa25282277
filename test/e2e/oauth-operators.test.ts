/** What becomes of logins at the authorization server, and of what operators let in there, when an account changes. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decodeJwt } from 'jose';
import { contentOf } from '../../src/audit/chain/verify-chain.ts';
import { createClient } from '../../src/authority/oauth/clients.ts';
import { sqliteStore } from '../../src/stores/sqlite/store.ts';
import { adminToken } from '../fixtures/authority-stack.ts';
import { browserContext } from '../fixtures/browser-context.ts';
import { cliHere } from '../fixtures/cli-here.ts';
import { plainBrowser, type PlainBrowser, type Visit } from '../fixtures/oauth-browser.ts';
import { oauthStack, type OauthStack } from '../fixtures/oauth-stack.ts';
import { browser, loggedIn, password } from '../fixtures/operator.ts';
import { chromium, skipWithout } from '../fixtures/programs.ts';

const ends: (() => unknown)[] = [];
const lifetime = { after: (end: () => unknown) => void ends.push(end) } as never;
const folder = mkdtempSync(join(tmpdir(), 'countersign-oauth-operators-'));
const redirect = 'http://127.0.0.1:5555/callback';
const verifier = 'v'.repeat(43);
let here: OauthStack;
let files: string;

before(async () => {
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const upstream = createServer((_req, res) => res.end('served')).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  ends.push(() => upstream.close());
  const { port } = upstream.address() as AddressInfo;
  const yaml = `
oauth: { server: { registration: true } }
services:
  files: { upstream: 'http://127.0.0.1:${port}', accept: [oauth], oauth: { scopes: [files:read] } }
  bare: { upstream: 'http://127.0.0.1:${port}', accept: [oauth] }
`;
  writeFileSync(join(folder, 'countersign.yaml'), `store: sqlite:state.db\n${yaml}`);
  const store = sqliteStore({ file: join(folder, 'state.db') });
  await store.migrate();
  ends.push(() => store.close());
  here = await oauthStack(lifetime, { store, yaml: () => yaml });
  files = `${here.gateway}/files`;
});
after(async () => {
  for (const end of ends.toReversed()) await end();
});

type Tokens = Record<string, string>;

const cli = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await cliHere(args, { cwd: folder });
  assert.equal(code, 0, stderr);
  return stdout.trim();
};

async function client(device = false): Promise<string> {
  const order = { name: 'agent', redirectUris: [redirect], device, scopes: [], jwks: null };
  const options = { records: here.stack.store.records, clock: here.stack.clock, accessTokenSeconds: 300 };
  return (await createClient(order, options)).clientId;
}

const question = (clientId: string, more: Tokens = {}): string =>
  `${here.admin}/oauth/authorize?${new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirect,
    scope: 'files:read',
    resource: files,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...more,
  })}`;

const asksToLogIn = ({ status, body, landed }: Visit): boolean =>
  landed === null && status === 200 && body.includes('/login"');

async function token(form: Tokens) {
  const answer = await fetch(`${here.admin}/oauth/token`, { method: 'POST', body: new URLSearchParams(form) });
  return { status: answer.status, body: (await answer.json()) as Tokens };
}

const redeem = (clientId: string, landed: URL | null) =>
  token({
    grant_type: 'authorization_code',
    client_id: clientId,
    code: landed?.searchParams.get('code') ?? '',
    redirect_uri: redirect,
    code_verifier: verifier,
  });
const refresh = (clientId: string, refreshToken = '') =>
  token({ grant_type: 'refresh_token', client_id: clientId, refresh_token: refreshToken });
const call = (accessToken = ''): Promise<number> =>
  fetch(`${files}/x`, { headers: { authorization: `Bearer ${accessToken}` } }).then(({ status }) => status);

/** What was taken back reaches the gateway with the store's feed. */
async function dead(accessToken = ''): Promise<void> {
  for (let look = 0; look < 300; look += 1) {
    if ((await call(accessToken)) === 401) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('the access token is still taken');
}

/** The page on which the operator is asked whether the client may. */
async function asked(at: PlainBrowser, name: string, clientId: string, more: Tokens = {}): Promise<Visit> {
  const login = await at.open(question(clientId, more));
  const consent = await at.submit(login, '/login', { name, password });
  assert.match(consent.body, /Let this client in/);
  return consent;
}

async function letIn(at: PlainBrowser, name: string, clientId: string): Promise<Tokens> {
  const { landed } = await at.submit(await asked(at, name, clientId), '/confirm');
  const { status, body } = await redeem(clientId, landed);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(await call(body['access_token']), 200);
  return body;
}

const changes: readonly (readonly [what: string, name: string, change: (name: string) => Promise<unknown>])[] = [
  [
    'a password that is changed',
    'petra',
    async (name) => {
      const page = await loginAt(name);
      const { status } = await page.ask('PUT', '/session/password', {
        password,
        new_password: 'another long sentence',
      });
      assert.equal(status, 200);
    },
  ],
  [
    'a logout everywhere',
    'lotte',
    async (name) => assert.equal((await (await loginAt(name)).ask('DELETE', '/sessions')).status, 200),
  ],
  ['an account that is shut', 'dora', (name) => cli('operators', 'disable', name)],
  ['a reset', 'rosa', (name) => cli('operators', 'reset', name)],
];

async function loginAt(name: string) {
  const page = browser(here.admin);
  assert.equal((await page.ask('POST', '/session', { name, password })).status, 200);
  return page;
}

for (const [what, name, change] of changes)
  test(`${what} ends the login at the authorization server, and what was begun in it`, async () => {
    await loggedIn(here.stack, here.admin, name);
    const [known, other, begun] = [await client(), await client(), await client()];
    const at = plainBrowser(here.admin);
    await letIn(at, name, known);
    const { landed } = await at.submit(await asked(at, name, other), '/confirm');
    const consent = await asked(at, name, begun);
    await change(name);
    const late = await redeem(other, landed);
    assert.equal(late.body['error'], 'invalid_grant', 'a code that lay about is worth nothing');
    const given = await at.submit(consent, '/confirm');
    assert.equal(given.landed?.searchParams.get('error'), 'access_denied', given.body);
    for (const clientId of [known, other]) assert.ok(asksToLogIn(await at.open(question(clientId))), 'asked to log in');
    const silent = await at.open(question(known, { prompt: 'none' }));
    assert.equal(silent.landed?.searchParams.get('error'), 'login_required');
    // Whoever has the account logs in there again, in the same browser.
    const again = await at.submit(await at.open(question(known)), '/login', { token: adminToken });
    assert.match(again.body, /Let this client in/);
    assert.match(again.body, /<dd>admin<\/dd>/);
  });

test('over plain http the cookie of a login, which browsers send to every port of this machine, lets nothing in', async () => {
  await loggedIn(here.stack, here.admin, 'carla');
  const [known, other] = [await client(), await client()];
  const at = plainBrowser(here.admin);
  await letIn(at, 'carla', known);
  const service = plainBrowser(here.admin);
  for (const [name, value] of at.cookies)
    if (name.startsWith('countersign_oauth_session')) service.cookies.set(name, value);
  assert.equal(service.cookies.size, 2);
  for (const clientId of [known, other]) assert.ok(asksToLogIn(await service.open(question(clientId))));
  const silent = await service.open(question(known, { prompt: 'none' }));
  assert.equal(silent.landed?.searchParams.get('error'), 'login_required');
});

test('over TLS a login answers several clients, until it is ended', async (t) => {
  const tls = await oauthStack(t as never, {
    store: here.stack.store,
    yaml: ({ adminPort }) => `
oauth: { server: { issuer: 'https://127.0.0.1:${adminPort}' } }
services: { bare: { upstream: 'http://127.0.0.1:9', accept: [oauth] } }
`,
  });
  const issuer = tls.admin.replace('http:', 'https:');
  await loggedIn(tls.stack, tls.admin, 'theo');
  const at = plainBrowser(issuer);
  const ask = async (): Promise<Visit> => {
    const { search } = new URL(question(await client(), { resource: `${tls.gateway}/bare`, scope: 'openid' }));
    return at.open(`${issuer}/oauth/authorize${search}`);
  };
  const consent = await at.submit(await ask(), '/login', { name: 'theo', password });
  assert.ok((await at.submit(consent, '/confirm')).landed?.searchParams.get('code'));
  assert.match((await ask()).body, /Let this client in/);
  // Hosts beside ours set cookies for it, and none of this name.
  const sessions = [...at.cookies.keys()].filter((name) => name.includes('oauth_session'));
  for (const name of sessions) assert.match(name, /^__Host-countersign_oauth_session_[0-9]+(?:\.sig)?$/);
  assert.equal(sessions.length, 2);
  await changes[1]?.[2]('theo');
  assert.ok(asksToLogIn(await ask()));
});

test(
  'in another tab somebody else may log in, and only they are asked from then on',
  { skip: skipWithout(chromium), timeout: 60_000 },
  async (t) => {
    await loggedIn(here.stack, here.admin, 'tina');
    await loggedIn(here.stack, here.admin, 'udo');
    const asking = question(await client());
    const context = await browserContext(t);
    const [one, two] = [await context.newPage(), await context.newPage()];
    for (const tab of [one, two]) await tab.goto(asking);
    for (const [tab, name] of [
      [one, 'tina'],
      [two, 'udo'],
    ] as const) {
      await tab.getByLabel('Name').fill(name);
      await tab.getByLabel('Password').fill(password);
      await tab.getByRole('button', { name: 'Log in' }).click();
      await tab.getByRole('definition').filter({ hasText: name }).waitFor();
    }
    const agree = (tab: typeof one) => tab.getByRole('button', { name: 'Let it in' }).click();
    await agree(one);
    await one.getByText('This login is over').waitFor();
    const [answer] = await Promise.all([
      two.waitForEvent('request', (request) => request.url().startsWith(redirect)),
      agree(two),
    ]);
    assert.ok(new URL(answer.url()).searchParams.has('code'));
  },
);

test('a login that was proven and not gone on with does not outlive a new password', async () => {
  await loggedIn(here.stack, here.admin, 'paula');
  const clientId = await client();
  const at = plainBrowser(here.admin);
  const login = await at.open(question(clientId));
  const action = /action="([^"]*\/login)"/.exec(login.body)?.[1] ?? '';
  const cookie = [...at.cookies].map(([key, value]) => `${key}=${value}`).join('; ');
  const proven = await fetch(new URL(action, login.url), {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie, origin: here.admin },
    body: new URLSearchParams({ name: 'paula', password }),
  });
  for (const line of proven.headers.getSetCookie()) {
    const [, key = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    at.cookies.set(key, value);
  }
  await changes[0]?.[2]('paula');
  assert.ok(asksToLogIn(await at.open(new URL(proven.headers.get('location') ?? '', login.url).href)));
});

test('a device that was let in and did not ask yet gets nothing after a new password', async () => {
  await loggedIn(here.stack, here.admin, 'delia');
  const clientId = await client(true);
  const started = await fetch(`${here.admin}/oauth/device_authorization`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: clientId, scope: 'files:read', resource: files }),
  });
  const device = (await started.json()) as Tokens;
  const at = plainBrowser(here.admin);
  const entry = await at.submit(await at.open(`${here.admin}/oauth/device`), '/device', {
    user_code: device['user_code'] ?? '',
  });
  const consent = await at.submit(await at.submit(entry, '/device'), '/login', { name: 'delia', password });
  assert.match((await at.submit(consent, '/confirm')).body, /go on at the device/);
  await changes[0]?.[2]('delia');
  const { body } = await token({
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    client_id: clientId,
    device_code: device['device_code'] ?? '',
  });
  assert.equal(body['error'], 'invalid_grant', JSON.stringify(body));
});

test('what a program was granted outlives a new password and a logout everywhere', async () => {
  for (const [index, name] of ['greta', 'gerda'].entries()) {
    await loggedIn(here.stack, here.admin, name);
    const clientId = await client();
    const tokens = await letIn(plainBrowser(here.admin), name, clientId);
    await changes[index]?.[2](name);
    const { status, body } = await refresh(clientId, tokens['refresh_token']);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(await call(body['access_token']), 200);
  }
});

test('no client is told what a login stands on', async () => {
  await loggedIn(here.stack, here.admin, 'ida');
  const clientId = await client();
  const at = plainBrowser(here.admin);
  const login = await at.open(question(clientId, { scope: 'openid files:read' }));
  const { landed } = await at.submit(await at.submit(login, '/login', { name: 'ida', password }), '/confirm');
  const { body } = await redeem(clientId, landed);
  const told = [body['id_token'], body['access_token']].map((jwt = '') => decodeJwt(jwt));
  assert.equal(told[0]?.sub, 'ida');
  assert.doesNotMatch(JSON.stringify(told), /standing|amr/);
});

for (const [what, name, args] of [
  ['shut', 'sina', ['disable']],
  ['reset', 'rita', ['reset']],
  ['made a viewer', 'vicky', ['reset', '--role', 'viewer']],
] as const)
  test(`an account that is ${what} leaves nothing granted: neither at the token endpoint nor at a service`, async () => {
    await loggedIn(here.stack, here.admin, name);
    await loggedIn(here.stack, here.admin, `${name}2`);
    const clientId = await client();
    const [tokens, others] = [
      await letIn(plainBrowser(here.admin), name, clientId),
      await letIn(plainBrowser(here.admin), `${name}2`, clientId),
    ];
    const [verb, ...rest] = args;
    await cli('operators', verb, name, ...rest);
    await dead(tokens['access_token']);
    const events = await here.stack.store.events.list('events', { limit: 1, type: 'oauth.grants_ended' });
    assert.partialDeepStrictEqual(contentOf(events[0]?.text ?? ''), { subject: name, detail: { grants: 1 } });
    assert.equal((await refresh(clientId, tokens['refresh_token'])).body['error'], 'invalid_grant');
    // Nor does it come again with the account.
    const code = await cli('operators', 'reset', name, '--role', 'operator', '--output', 'json');
    const { login_code: loginCode } = JSON.parse(code) as { login_code: string };
    const owner = browser(here.admin);
    const first = { name, login_code: loginCode, password };
    assert.equal((await owner.ask('POST', '/session/first', first)).status, 200);
    assert.equal((await refresh(clientId, tokens['refresh_token'])).body['error'], 'invalid_grant');
    assert.equal(await call(tokens['access_token']), 401);
    // The owner is not kept waiting, and what others let in stays.
    await letIn(plainBrowser(here.admin), name, clientId);
    assert.equal(await call(others['access_token']), 200);
    assert.equal((await refresh(clientId, others['refresh_token'])).status, 200);
  });

test('who logs in, who lets a program in and who refuses it is in the audit, and so is a wrong password', async () => {
  await loggedIn(here.stack, here.admin, 'edda');
  const clientId = await client();
  const { store } = here.stack;
  const [last] = await store.events.list('events', { limit: 1 });
  const at = plainBrowser(here.admin);
  const login = await at.open(question(clientId));
  assert.equal((await at.submit(login, '/login', { name: 'edda', password: 'a guess' })).status, 401);
  await letIn(at, 'edda', clientId);
  const more = await asked(at, 'edda', clientId, { resource: `${here.gateway}/bare` });
  const refused = await at.submit(more, '/abort');
  assert.equal(refused.landed?.searchParams.get('error'), 'access_denied');
  // Somebody who is not logged in refuses nothing.
  const stranger = plainBrowser(here.admin);
  const page = await stranger.open(question(clientId));
  await stranger.submit({ ...page, body: page.body.replace('/login"', '/abort"') }, '/abort');

  const rows = await store.events.list('events', { limit: 100, after: last?.sequence ?? 0 });
  const events = rows.map(({ text }) => contentOf(text));
  const edda = { actor: 'operator:edda', via: 'http', from: '127.0.0.1' };
  assert.deepEqual(
    events.map((event) => event && [event.type, event.subject, event.detail]),
    [
      ['operator.login_failed', 'edda', { attempts: 1 }],
      ['operator.logged_in', 'edda', { at: 'oauth', client: clientId }],
      ['oauth.granted', clientId, { name: 'agent', resources: [files], scopes: ['files:read'] }],
      ['operator.logged_in', 'edda', { at: 'oauth', client: clientId }],
      ['oauth.refused', clientId, { name: 'agent', resources: [`${here.gateway}/bare`], scopes: [] }],
    ],
  );
  for (const event of events.slice(1)) assert.partialDeepStrictEqual(event, edda);
});

test('a program that registers itself is in the audit, with where its answers go', async () => {
  const answer = await fetch(`${here.admin}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: `A client ${'x'.repeat(500)}`,
      redirect_uris: Array.from({ length: 30 }, (_, index) => `${redirect}/${index}`),
      token_endpoint_auth_method: 'client_secret_basic',
    }),
  });
  const { client_id: clientId = '', client_secret: secret = '-' } = (await answer.json()) as Tokens;
  assert.equal(answer.status, 201);
  const [row] = await here.stack.store.events.list('events', { limit: 1, type: 'oauth.client.registered' });
  const event = contentOf(row?.text ?? '');
  assert.partialDeepStrictEqual(event, {
    subject: clientId,
    actor: `client:${clientId}`,
    via: 'http',
    from: '127.0.0.1',
    detail: { name: `A client ${'x'.repeat(119)}` },
  });
  const { redirect_uris: uris } = (event?.detail ?? {}) as { readonly redirect_uris?: readonly string[] };
  assert.deepEqual([uris?.length, uris?.[0]], [10, `${redirect}/0`]);
  assert.ok(!row?.text.includes(secret));
});

test('a login by the admin token ends with that token', async (t) => {
  const clientId = await client();
  const at = plainBrowser(here.admin);
  const consent = await at.submit(await at.open(question(clientId)), '/login', { token: adminToken });
  assert.ok((await at.submit(consent, '/confirm')).landed?.searchParams.get('code'));
  // The same stack, started anew with another token.
  const later = await oauthStack(t as never, {
    store: here.stack.store,
    env: { AUTH_ADMIN_TOKEN: 'another token that an operator chose' },
    yaml: () => 'oauth: { server: {} }\nservices: { bare: { upstream: "http://127.0.0.1:9", accept: [oauth] } }\n',
  });
  const browserLater = plainBrowser(later.admin);
  for (const [name, value] of at.cookies) browserLater.cookies.set(name, value);
  const { search } = new URL(question(clientId, { resource: `${later.gateway}/bare`, scope: 'openid' }));
  assert.ok(asksToLogIn(await browserLater.open(`${later.admin}/oauth/authorize${search}`)));
});
