/** Operators who log in at an OpenID provider: at the dashboard, and where a client asks to be let in. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decodeJwt } from 'jose';
import { accounts } from '../../src/operators/account.ts';
import { contentOf } from '../../src/audit/chain/verify-chain.ts';
import { createClient } from '../../src/authority/oauth/clients.ts';
import { stateAdapter } from '../../src/authority/oauth/state.ts';
import { isTakenBack } from '../../src/keys/tokens/issued-tokens.ts';
import { browserContext } from '../fixtures/browser-context.ts';
import { plainBrowser, type PlainBrowser, type Visit } from '../fixtures/oauth-browser.ts';
import { oauthStack, type OauthStack } from '../fixtures/oauth-stack.ts';
import { clientSecret, logInThere, openidProviderProcess } from '../fixtures/openid-provider.ts';
import { appoint } from '../fixtures/operator.ts';
import { chromium, skipWithout } from '../fixtures/programs.ts';

const root = join(import.meta.dirname, '../..');
const people = {
  'u-anna': { preferred_username: 'anna', groups: ['staff', 'stack-admins'] },
  'u-vera': { preferred_username: 'vera', groups: 'stack-readers' },
  'u-ute': { preferred_username: 'ute', groups: ['staff'] },
  'u-anna-2': { preferred_username: 'anna', groups: ['stack-admins'] },
  'u-bad': { preferred_username: '../admin', groups: ['stack-admins'] },
};
const ends: (() => unknown)[] = [];
const lifetime = { after: (end: () => unknown) => void ends.push(end) } as never;
let issuer: string;
let here: OauthStack;
let openidCookie: string;

before(async () => {
  if (!existsSync(join(root, 'dashboard/dist/index.html')))
    execFileSync('npm', ['run', '--silent', 'dashboard:build'], { cwd: root });
  const folder = mkdtempSync(join(tmpdir(), 'countersign-openid-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const secret = join(folder, 'secret');
  writeFileSync(secret, `${clientSecret}\n`, { mode: 0o600 });
  issuer = await openidProviderProcess(lifetime, people);
  here = await oauthStack(lifetime, {
    yaml: () => `
oauth: { server: {} }
operators:
  openid:
    issuer: ${issuer}
    clientId: countersign
    clientSecretFile: ${secret}
    scopes: [profile, groups]
    nameClaim: preferred_username
    roleClaim: groups
    roles: { operator: [stack-admins], viewer: [stack-readers] }
services:
  files: { upstream: 'http://127.0.0.1:1', accept: [oauth], oauth: { scopes: [files:read] } }
`,
  });
  openidCookie = `countersign_openid_${new URL(here.admin).port}`;
});
after(async () => {
  for (const end of ends.toReversed()) await end();
});

const surfer = (): PlainBrowser => plainBrowser(here.admin, issuer);

/** What the dashboard keeps of the address to which a login leads. */
const csrfOf = new WeakMap<PlainBrowser, string>();

async function comeIn(login: string, browser = surfer(), path = '/admin/openid'): Promise<Visit> {
  const landed = await logInThere(browser, await browser.open(here.admin + path), login);
  const [, csrf] = /\/dashboard\/#csrf=(.+)$/.exec(landed.url) ?? [];
  if (csrf !== undefined) csrfOf.set(browser, csrf);
  return landed;
}

interface Shown {
  readonly operator: { readonly name: string; readonly role: string; readonly openid: boolean };
  readonly csrf: string;
}

async function ask(
  browser: PlainBrowser,
  method: string,
  path: string,
  body?: object,
  csrf = csrfOf.get(browser) ?? '',
) {
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const answer = await fetch(`${here.admin}/admin/api/${path}`, {
    method,
    headers: { cookie, origin: here.admin, 'x-countersign-csrf': csrf },
    ...(body && { body: JSON.stringify(body) }),
  });
  const parsed = (await answer.json()) as { data?: Shown; confirm?: boolean };
  return { status: answer.status, data: parsed.data, confirm: parsed.confirm };
}

/** The address to which the provider sends the browser back, which has not gone there yet. */
async function answered(browser: PlainBrowser, login: string): Promise<string> {
  const there = plainBrowser(issuer);
  const begun = await fetch(`${here.admin}/admin/openid`, { redirect: 'manual' });
  for (const line of begun.headers.getSetCookie()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    browser.cookies.set(name, value);
  }
  const back = await logInThere(there, await there.open(begun.headers.get('location') ?? ''), login);
  assert.ok(back.landed, back.body);
  return back.landed.href;
}

test('an operator logs in at the provider, with the role that the provider says', async () => {
  const ways = await fetch(`${here.admin}/admin/api/logins`);
  assert.deepEqual(await ways.json(), { status: 'success', data: { openid: { host: new URL(issuer).host } } });
  for (const [login, name, role] of [
    ['u-anna', 'openid:anna', 'operator'],
    ['u-vera', 'openid:vera', 'viewer'],
  ] as const) {
    const browser = surfer();
    const landed = await comeIn(login, browser);
    assert.match(landed.url, /\/dashboard\/#csrf=[\w-]{43}$/, landed.body);
    assert.equal((await ask(browser, 'GET', 'session', undefined, 'A'.repeat(43))).status, 401, 'the cookie alone');
    const { status, data } = await ask(browser, 'GET', 'session');
    assert.equal(status, 200);
    assert.partialDeepStrictEqual(data?.operator, { name, role, openid: true });
  }
  const events = (await here.stack.store.events.list('events', { limit: 100 })).map(({ text }) => contentOf(text));
  assert.deepEqual(
    events.filter((event) => event?.subject === 'openid:anna').map((event) => event?.type),
    ['operator.created', 'operator.logged_in'],
  );
});

test(
  'a real browser goes there and back, and the dashboard shows who came',
  { skip: skipWithout(chromium) },
  async (t) => {
    const page = await (await browserContext(t)).newPage();
    await page.goto(`${here.admin}/dashboard/`);
    await page.getByRole('link', { name: `Log in at ${new URL(issuer).host}` }).click();
    await page.getByPlaceholder('Enter any login').fill('u-anna');
    await page.getByPlaceholder('and password').fill('any');
    await page.getByRole('button', { name: 'Sign-in' }).click();
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('link', { name: 'Account' }).click();
    await page.getByRole('heading', { name: 'openid:anna' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Change password' }).count(), 0);
    await page.getByRole('link', { name: 'Tokens' }).click();
    await page.getByRole('button', { name: 'Create token' }).click();
    const create = page.getByRole('dialog').getByRole('button', { name: 'Create', exact: true });
    await create.click();
    const tab = page.waitForEvent('popup');
    await page.getByRole('link', { name: 'Log in anew at your provider' }).click();
    const provider = await tab;
    await provider.getByPlaceholder('Enter any login').fill('u-anna');
    await provider.getByPlaceholder('and password').fill('any');
    await provider.getByRole('button', { name: 'Sign-in' }).click();
    await provider.getByRole('button', { name: 'Continue' }).click();
    await provider.getByRole('heading', { name: 'Overview' }).waitFor();
    await create.click();
    await page.locator('.secret').waitFor();
  },
);

test('what needs a password shown just now needs a login made just now, and no password is taken here', async () => {
  const browser = surfer();
  await comeIn('u-anna', browser);
  const early = await ask(browser, 'POST', 'tokens', {});
  assert.deepEqual([early.status, early.confirm], [403, true]);
  const password = await ask(browser, 'POST', 'session/confirm', { password: 'plum tree' });
  assert.equal(password.status, 400);
  const there = await browser.open(`${here.admin}/admin/openid?fresh`);
  assert.match(there.body, /name="login"/, 'the provider asks again, though it knows the person');
  const { url } = await logInThere(browser, there, 'u-anna');
  assert.equal((await ask(browser, 'POST', 'tokens', {}, url.split('#csrf=')[1])).status, 201);
});

test('whom the provider knows and the configuration does not is refused, and so is a name of no form', async () => {
  for (const login of ['u-ute', 'u-bad']) {
    const browser = surfer();
    const page = await comeIn(login, browser);
    assert.equal(page.status, 403, page.body);
    assert.equal((await ask(browser, 'GET', 'session')).status, 401);
  }
});

test('nobody takes over an account: neither one that was made here nor one of somebody else at the provider', async () => {
  await appoint(here.stack, 'anna', 'viewer');
  const browser = surfer();
  await comeIn('u-anna', browser);
  assert.equal((await ask(browser, 'GET', 'session')).data?.operator.name, 'openid:anna');
  const known = accounts({ records: here.stack.store.records, clock: here.stack.clock });
  const local = (await known.get('anna'))?.account;
  assert.partialDeepStrictEqual(local, { role: 'viewer', password: null, epoch: 2 });
  // Another person, who calls themselves the same there.
  const other = surfer();
  const page = await comeIn('u-anna-2', other);
  assert.equal(page.status, 403);
  assert.match(page.body, /Somebody else was here/);
  // No password was ever chosen for the account from elsewhere, and none can be.
  const first = await fetch(`${here.admin}/admin/api/session/first`, {
    method: 'POST',
    body: JSON.stringify({ name: 'openid:anna', login_code: 'x', password: 'plum tree behind the harbour' }),
  });
  assert.equal(first.status, 401);
});

test('an account that is shut stays shut, and its session ends', async () => {
  const browser = surfer();
  await comeIn('u-vera', browser);
  const known = accounts({ records: here.stack.store.records, clock: here.stack.clock });
  await known.change('openid:vera', (now) => ({ ...now, disabled: true }));
  assert.equal((await ask(browser, 'GET', 'session')).status, 401);
  assert.equal((await comeIn('u-vera')).status, 403);
  await known.change('openid:vera', (now) => ({ ...now, disabled: false }));
});

test('a client is let in by an operator from the provider, and a viewer from there decides nothing', async () => {
  const { clientId } = await createClient(
    { name: 'agent', redirectUris: ['http://127.0.0.1:5555/cb'], device: false, scopes: [], jwks: null },
    { records: here.stack.store.records, clock: here.stack.clock, accessTokenSeconds: 300 },
  );
  const verifier = 'v'.repeat(43);
  const challenge = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(verifier))).toString('base64url');
  const question = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: 'http://127.0.0.1:5555/cb',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  });
  const asked = async (login: string) => {
    const browser = surfer();
    const page = await browser.open(`${here.admin}/oauth/authorize?${question}`);
    const [, link = ''] = /href="([^"]*\/elsewhere)"/.exec(page.body) ?? [];
    assert.ok(link, page.body);
    return { browser, page: await logInThere(browser, await browser.open(here.admin + link), login) };
  };
  assert.equal((await asked('u-vera')).page.status, 403);
  const { browser, page } = await asked('u-anna');
  const [event] = await here.stack.store.events.list('events', { limit: 1, type: 'operator.logged_in' });
  assert.partialDeepStrictEqual(contentOf(event?.text ?? ''), {
    subject: 'openid:anna',
    detail: { at: 'oauth', client: clientId, issuer },
  });
  assert.match(page.body, /openid:anna/, page.body);
  const { landed } = await browser.submit(page, '/confirm');
  const answer = await fetch(`${here.admin}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientId,
      code: landed?.searchParams.get('code') ?? '',
      redirect_uri: 'http://127.0.0.1:5555/cb',
      code_verifier: verifier,
    }),
  });
  const tokens = (await answer.json()) as { access_token: string };
  assert.equal(decodeJwt(tokens.access_token).sub, 'openid:anna');
});

test('who comes without the role of an operator any more leaves nothing that they let in', async () => {
  const { store, clock, seal } = here.stack;
  const { records } = store;
  await comeIn('u-vera');
  await accounts({ records, clock }).change('openid:vera', (now) => ({ ...now, role: 'operator' }));
  const refusal = (words: string) => new Error(words);
  const grants = stateAdapter('Grant', { records, clock, accessTokenSeconds: 300, seal, refusal });
  for (const accountId of ['openid:vera', 'openid:anna'])
    await grants.upsert(`of ${accountId}`, { accountId, clientId: 'c', kind: 'Grant' }, 3600);
  await comeIn('u-vera');
  assert.equal(await grants.find('of openid:vera'), undefined);
  assert.ok(await isTakenBack({ grantId: 'of openid:vera' }, { records, clock }));
  assert.ok(await grants.find('of openid:anna'));
});

test('an answer counts once, in the browser that asked, with the state, the issuer and the code that are meant', async () => {
  const browser = surfer();
  const back = await answered(browser, 'u-anna');
  const cookie = browser.cookies.get(openidCookie) ?? '';
  assert.ok(cookie);
  const altered = (name: string, value: string | null): string => {
    const url = new URL(back);
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
    return url.href;
  };
  // Login CSRF: somebody else's answer in a browser that did not ask, or that asked for itself.
  assert.equal((await surfer().open(back)).status, 400);
  const victim = surfer();
  await answered(victim, 'u-vera');
  assert.equal((await victim.open(back)).status, 403);
  for (const [name, value] of [
    ['state', 'x'],
    ['state', null],
    ['iss', 'https://evil.example.org'],
    ['iss', null],
    ['code', 'x'],
  ] as const) {
    const attacked = surfer();
    const url = new URL(await answered(attacked, 'u-anna'));
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
    assert.equal((await attacked.open(url.href)).status, 403, name);
    assert.equal((await ask(attacked, 'GET', 'session')).status, 401);
  }
  assert.match((await browser.open(back)).url, /\/dashboard\/#csrf=/);
  // The same again, with the cookie as it was.
  const replayed = surfer();
  replayed.cookies.set(openidCookie, cookie);
  assert.equal((await replayed.open(back)).status, 400);
  assert.equal((await replayed.open(altered('state', 'x'))).status, 400);
});

test('an answer that comes too late, or to another address of ours, is refused', async () => {
  const slow = surfer();
  const back = await answered(slow, 'u-anna');
  here.advance(601);
  assert.equal((await slow.open(back)).status, 400);
  here.advance(-601);
  const other = new URL(await answered(slow, 'u-anna'));
  other.hostname = 'localhost';
  const elsewhere = plainBrowser(other.origin);
  elsewhere.cookies.set(openidCookie, slow.cookies.get(openidCookie) ?? '');
  assert.equal((await elsewhere.open(other.href)).status, 400);
});

test('a provider that does not answer is an outage, and says so', async (t) => {
  const silent = createServer((_req, res) => void res.destroy()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const { port } = silent.address() as { port: number };
  const stack = await oauthStack(t, {
    yaml: () => `
operators:
  openid: { issuer: 'http://127.0.0.1:${port}', clientId: countersign, roleClaim: groups, roles: { viewer: [a] } }
services: { files: { upstream: 'http://127.0.0.1:9' } }
`,
  });
  const answer = await fetch(`${stack.admin}/admin/openid`, { redirect: 'manual' });
  assert.equal(answer.status, 503);
  assert.match(await answer.text(), /cannot be reached/);
});
