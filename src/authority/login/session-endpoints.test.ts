import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { contentOf } from '../../audit/chain/verify-chain.ts';
import type { TokenRecord } from '../../core/credential.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { totpCode } from '../../crypto/totp.ts';
import { accounts } from '../../operators/account.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { adminToken, bearer, startAuthority } from '../../../test/fixtures/authority-stack.ts';
import { fromBase32 } from '../../../test/fixtures/base32.ts';
import { appoint, browser, loggedIn, password, quick } from '../../../test/fixtures/operator.ts';
import { cookieName } from './session-cookie.ts';

const yaml = `adminHosts: [admin.example.org]
trustedProxies: [127.0.0.1/32]
services:
  echo: { upstream: 'http://127.0.0.1:1' }
`;

test('the code of the first login counts once, and for whoever chooses a password that will do', async (t) => {
  const { adminOrigin, stack, advance } = await startAuthority(t, { authority: quick });
  const page = browser(adminOrigin);
  const loginCode = await appoint(stack, 'ana');
  for (const weak of ['short', 'password1234', 'aaaaaaaaaaaaaaaa', 'ana-countersign-1'])
    assert.equal(
      (await page.ask('POST', '/session/first', { name: 'ana', login_code: loginCode, password: weak })).status,
      400,
    );
  const first = { name: 'ana', login_code: loginCode, password };
  const wrong = await page.ask('POST', '/session/first', { ...first, login_code: `${loginCode}x` });
  assert.deepEqual([wrong.status, wrong.body.reason], [401, 'invalid_credentials']);
  assert.equal((await page.ask('POST', '/session/first', first)).status, 200);
  assert.equal((await browser(adminOrigin).ask('POST', '/session/first', first)).status, 401);
  const late = await appoint(stack, 'ben');
  advance(24 * 3600 + 1);
  const tooLate = await browser(adminOrigin).ask('POST', '/session/first', { ...first, name: 'ben', login_code: late });
  assert.equal(tooLate.status, 401);
});

test('the cookie is for this host, out of reach of scripts and other sites, and kept as a digest only', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { yaml, authority: quick });
  await loggedIn(stack, adminOrigin, 'ana');
  const plain = await browser(adminOrigin).ask('POST', '/session', { name: 'ana', password });
  assert.match(
    plain.headers.get('set-cookie') ?? '',
    /^countersign_session_[0-9]+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/,
  );
  const page = browser(adminOrigin);
  const tls = { 'x-forwarded-proto': 'https' };
  const answer = await page.ask('POST', '/session', { name: 'ana', password }, tls);
  assert.match(
    answer.headers.get('set-cookie') ?? '',
    /^__Host-countersign_session_[0-9]+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
  );
  // Over TLS the plain cookie, which anybody on the way could have set, is none.
  const asPlain = page.cookie.replace('__Host-', '');
  assert.equal((await page.ask('GET', '/session', undefined, tls)).status, 200);
  assert.equal((await page.ask('GET', '/session', undefined, { ...tls, cookie: asPlain })).status, 401);
  const token = page.cookie.slice(page.cookie.indexOf('=') + 1);
  const kept = JSON.stringify(await stack.store.records.list('session', stack.clock()));
  assert.ok(kept.includes(sha256Hex(token)) && !kept.includes(token));
});

test('the cookie alone, which a browser sends to every port of this machine, is no session and tells nothing', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  const page = await loggedIn(stack, adminOrigin, 'ana');
  const other = await loggedIn(stack, adminOrigin, 'ben');
  for (const csrf of ['', 'A'.repeat(43), other.csrf])
    for (const path of ['/session', '/status', '/keys', '/live']) {
      const answer = await page.ask('GET', path, undefined, { 'x-countersign-csrf': csrf });
      assert.deepEqual([answer.status, answer.body.reason], [401, 'missing_credentials'], path);
    }
  assert.equal((await page.ask('GET', '/session')).data['csrf'], page.csrf);
  const { csrf } = page;
  await page.ask('POST', '/session/confirm', { password });
  assert.notEqual(page.csrf, csrf);
  const kept = JSON.stringify(await stack.store.records.list('session', stack.clock()));
  assert.ok(!kept.includes(page.csrf));
});

test('a login takes a new token, whatever cookie was planted before', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  const first = await loggedIn(stack, adminOrigin, 'ana');
  const planted = `countersign_session_${new URL(adminOrigin).port}=${'A'.repeat(43)}`;
  const page = browser(adminOrigin);
  page.cookie = planted;
  assert.equal((await page.ask('POST', '/session', { name: 'ana', password })).status, 200);
  assert.notEqual(page.cookie, planted);
  assert.notEqual(page.cookie, first.cookie);
  assert.equal((await page.ask('GET', '/session', undefined, { cookie: planted })).status, 401);
  assert.equal((await page.ask('GET', '/session', undefined, { cookie: `${page.cookie}; ${planted}` })).status, 401);
});

test('two stacks on one host, whose cookies a browser keeps together, do not log out of one another', async (t) => {
  const stacks = [await startAuthority(t, { authority: quick }), await startAuthority(t, { authority: quick })];
  const pages = [];
  for (const { stack, adminOrigin } of stacks) pages.push(await loggedIn(stack, adminOrigin, 'ana'));
  const cookie = pages.map((page) => page.cookie).join('; ');
  for (const page of pages) assert.equal((await page.ask('GET', '/session', undefined, { cookie })).status, 200);
  assert.equal(new Set(pages.map((page) => page.cookie.split('=')[0])).size, 2);
  // The usual port stands in no address.
  for (const [host, name] of [
    ['admin.example.org', 'c'],
    ['[::1]', 'c'],
    ['[::1]:8701', 'c_8701'],
  ] as const)
    assert.equal(cookieName('c', host, false), name);
});

test('no page of another origin acts in an operator’s place or logs one in', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  const page = await loggedIn(stack, adminOrigin, 'ana');
  const mode = { mode: 'enforce' };
  const attempts: readonly Record<string, string>[] = [
    { 'x-countersign-csrf': '' },
    { 'x-countersign-csrf': 'A'.repeat(43) },
    { origin: 'http://127.0.0.1:1' },
    { origin: 'null' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site' },
    { host: 'attacker.example', origin: 'http://attacker.example' },
  ];
  for (const headers of attempts) {
    const answer = await page.ask('PUT', '/modes', mode, headers);
    assert.deepEqual([answer.status, answer.body.reason], [403, 'not_allowed'], JSON.stringify(headers));
  }
  const login = await page.ask('POST', '/session', { name: 'ana', password }, { origin: 'http://localhost:9' });
  assert.equal(login.status, 403);
  assert.deepEqual(await stack.store.modes.list(), []);
  assert.equal((await page.ask('PUT', '/modes', mode)).status, 200);
});

test('an unknown name, a wrong password and a disabled account are answered alike, and looked at alike', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  await loggedIn(stack, adminOrigin, 'ana');
  await loggedIn(stack, adminOrigin, 'ben');
  const ben = await stack.store.records.get('operator', 'ben', stack.clock());
  assert.ok(ben);
  const value = { ...(ben.value as object), disabled: true } as typeof ben.value;
  await stack.store.records.put({ ...ben, value }, ben.revision, stack.clock());
  await appoint(stack, 'eve');
  const answers = [];
  for (const [name, shown] of [
    ['ana', 'wrong'],
    ['nobody', password],
    ['ben', password],
    ['eve', password],
    ['../ana', password],
  ]) {
    const answer = await browser(adminOrigin).ask('POST', '/session', { name, password: shown });
    answers.push(JSON.stringify([answer.status, answer.body, answer.headers.get('www-authenticate')]));
  }
  assert.equal(new Set(answers).size, 1, answers.join('\n'));
  assert.match(answers[0] ?? '', /^\[401/);
});

test('guessing is slowed down by address, and whoever knows the password gets in all the same', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  await loggedIn(stack, adminOrigin, 'ana');
  for (let time = 0; time < 10; time += 1)
    assert.equal((await browser(adminOrigin).ask('POST', '/session', { name: 'ana', password: 'wrong' })).status, 401);
  const limited = await browser(adminOrigin).ask('POST', '/session', { name: 'nobody', password: 'wrong' });
  assert.equal(limited.status, 429);
  assert.ok(Number(limited.headers.get('retry-after')) > 0);
  assert.equal((await browser(adminOrigin).ask('POST', '/session', { name: 'ana', password })).status, 200);
});

test('wrong and throttled logins are in the audit, each account once however often, and no name that nobody has', async (t) => {
  const { adminOrigin, stack, authority } = await startAuthority(t, { authority: quick });
  await loggedIn(stack, adminOrigin, 'ana');
  const guess = (name: string) => browser(adminOrigin).ask('POST', '/session', { name, password: 'wrong' });
  const events = async () =>
    (await stack.store.events.list('events', { limit: 100 }))
      .map(({ text }) => contentOf(text))
      .filter((content) => content?.type.startsWith('operator.login_'))
      .map((content) => [content?.type, content?.subject, content?.actor, content?.detail?.['attempts']]);
  for (let time = 0; time < 6; time += 1) assert.equal((await guess('ana')).status, 401);
  for (const name of ['my-pass-word', '../ana', 'nobody', 'cli']) assert.equal((await guess(name)).status, 401);
  assert.equal((await guess('ana')).status, 429);
  const first = [
    ['operator.login_failed', 'ana', 'operator:ana?', 1],
    ['operator.login_failed', '', 'operator:?', 1],
    ['operator.login_throttled', 'ana', 'operator:ana?', 1],
  ];
  assert.deepEqual(await until(events, (found) => found.length >= first.length), first);
  // What is not told yet is told when the time is over, or the server ends.
  await authority.close();
  const more = [
    ['operator.login_failed', 'ana', 'operator:ana?', 5],
    ['operator.login_failed', '', 'operator:?', 3],
  ];
  assert.deepEqual(await until(events, (found) => found.length > first.length + 1), [...first, ...more]);
});

test('a token is not made by an account that is shut meanwhile', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  const page = await loggedIn(stack, adminOrigin, 'ana');
  const { insert } = stack.store.tokens;
  t.mock.method(stack.store.tokens, 'insert', async (record: TokenRecord) => {
    const known = accounts({ records: stack.store.records, clock: stack.clock });
    await known.change('ana', (now) => ({ ...now, disabled: true, epoch: now.epoch + 1 }));
    return insert(record);
  });
  const made = await page.ask('POST', '/tokens', {});
  assert.deepEqual([made.status, made.data], [401, {}]);
  assert.deepEqual(await stack.tokens.listActive(10), []);
});

/** Looks again until it is so: events are written behind the answers. */
async function until<T>(look: () => Promise<T>, is: (found: T) => boolean): Promise<T> {
  for (const deadline = performance.now() + 5000; performance.now() < deadline; await sleep(10)) {
    const found = await look();
    if (is(found)) return found;
  }
  return look();
}

test('a session ends after its idle time, after its whole time, at logout and at logout everywhere', async (t) => {
  const { adminOrigin, stack, advance } = await startAuthority(t, { authority: quick });
  const page = await loggedIn(stack, adminOrigin, 'ana');
  const status = async (one = page): Promise<number> => (await one.ask('GET', '/status')).status;
  for (let slept = 0; slept < 11 * 3600; slept += 1700) {
    assert.equal(await status(), 200);
    advance(1700);
  }
  for (let slept = 0; slept < 3600 + 1700; slept += 1000) {
    await status();
    advance(1000);
  }
  assert.equal(await status(), 401, 'kept awake beyond twelve hours');
  const again = async () => {
    const one = browser(adminOrigin);
    assert.equal((await one.ask('POST', '/session', { name: 'ana', password })).status, 200);
    return one;
  };
  const idle = await again();
  advance(1801);
  assert.equal(await status(idle), 401);
  const [one, two, three] = [await again(), await again(), await again()];
  const { cookie } = one;
  assert.equal((await one.ask('DELETE', '/session')).status, 200);
  assert.equal((await one.ask('GET', '/status', undefined, { cookie })).status, 401);
  assert.deepEqual([await status(two), await status(three)], [200, 200]);
  const before = three.cookie;
  assert.equal((await three.ask('DELETE', '/sessions')).status, 200);
  assert.equal(await status(two), 401);
  assert.equal((await three.ask('GET', '/status', undefined, { cookie: before })).status, 401);
});

test('a viewer reads and does nothing; who acts is in the audit by name', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  const viewer = await loggedIn(stack, adminOrigin, 'vera', 'viewer');
  for (const path of [
    '/status',
    '/services',
    '/keys',
    '/tokens',
    '/modes',
    '/report',
    '/decisions',
    '/events',
    '/traffic',
  ])
    assert.equal((await viewer.ask('GET', path)).status, 200, path);
  for (const [method, path, body] of [
    ['PUT', '/modes', { mode: 'enforce' }],
    ['POST', '/keys', { service: 'aidb' }],
    ['DELETE', '/keys/0123456789', undefined],
    ['POST', '/tokens', {}],
    ['DELETE', '/tokens/6f1c0f0e-0000-4000-8000-000000000000', undefined],
  ] as const)
    assert.equal((await viewer.ask(method, path, body)).status, 403, `${method} ${path}`);
  const page = await loggedIn(stack, adminOrigin, 'ana');
  const key = await page.ask('POST', '/keys', { service: 'aidb' });
  const token = await page.ask('POST', '/tokens', { scopes: ['embed:write'] });
  assert.deepEqual([key.status, token.status], [201, 201]);
  assert.equal((await page.ask('DELETE', `/tokens/${token.data['token_id']}`)).status, 200);
  const events = (await stack.store.events.list('events', { limit: 10 })).map(({ text }) => contentOf(text));
  assert.deepEqual(
    events.map((event) => [event?.type, event?.actor]),
    [
      ['operator.logged_in', 'operator:vera'],
      ['operator.logged_in', 'operator:ana'],
      ['key.created', 'operator:ana'],
      ['token.created', 'operator:ana'],
      ['token.revoked', 'operator:ana'],
    ],
  );
});

test('what widens or loosens needs a password of the last five minutes', async (t) => {
  const { adminOrigin, stack, advance } = await startAuthority(t, { authority: quick });
  const page = await loggedIn(stack, adminOrigin, 'ana');
  advance(301);
  for (const [method, path, body] of [
    ['POST', '/keys', { service: 'aidb' }],
    ['POST', '/tokens', {}],
    ['PUT', '/modes', { mode: 'report' }],
    ['POST', '/session/totp', undefined],
    ['DELETE', '/session/totp', undefined],
  ] as const) {
    const answer = await page.ask(method, path, body);
    assert.deepEqual([answer.status, answer.body.confirm], [403, true], `${method} ${path}`);
  }
  assert.equal((await page.ask('PUT', '/modes', { mode: 'enforce' })).status, 200);
  assert.equal((await page.ask('POST', '/session/confirm', { password: 'wrong' })).status, 401);
  const { cookie } = page;
  assert.equal((await page.ask('POST', '/session/confirm', { password })).status, 200);
  assert.notEqual(page.cookie, cookie);
  assert.equal((await page.ask('GET', '/status', undefined, { cookie })).status, 401);
  assert.equal((await page.ask('POST', '/keys', { service: 'aidb' })).status, 201);
});

test('with a second factor each code counts once, and a recovery code in its place', async (t) => {
  const { adminOrigin, stack, advance } = await startAuthority(t, { authority: quick });
  const page = await loggedIn(stack, adminOrigin, 'ana');
  const other = browser(adminOrigin);
  await other.ask('POST', '/session', { name: 'ana', password });
  const offer = await page.ask('POST', '/session/totp');
  const secret = fromBase32(String(offer.data['secret']));
  const code = () => totpCode(secret, Math.floor(stack.clock() / 30));
  assert.match(String(offer.data['otpauth_uri']), /^otpauth:\/\/totp\/Countersign%20[^:]+:ana\?secret=[A-Z2-7]{32}&/);
  assert.equal((await page.ask('PUT', '/session/totp', { code: '000000' })).status, 400);
  const used = code();
  const enrolled = await page.ask('PUT', '/session/totp', { code: used });
  const recovery = enrolled.data['recovery_codes'] as unknown as string[];
  assert.equal(recovery.length, 10);
  assert.equal((await other.ask('GET', '/status')).status, 401, 'sessions without the factor are over');
  const enter = async (shown?: string): Promise<number> =>
    (await browser(adminOrigin).ask('POST', '/session', { name: 'ana', password, ...(shown && { code: shown }) }))
      .status;
  assert.equal(await enter(), 401);
  assert.equal(await enter(used), 401, 'the code of the enrolment');
  advance(60);
  const next = code();
  assert.deepEqual(await Promise.all([enter(next), enter(next)]).then((both) => both.sort()), [200, 401]);
  assert.equal(await enter(recovery[0]), 200);
  assert.equal(await enter(recovery[0]), 401);
  const kept = JSON.stringify(await stack.store.records.list('operator', stack.clock()));
  for (const hidden of [secret.toString('base64url'), String(offer.data['secret']), recovery[1] ?? '?', password])
    assert.ok(!kept.includes(hidden));
});

test('whoever knows the password guesses few codes, and the owner gets in by a recovery code', async (t) => {
  const { adminOrigin, stack, authority, advance } = await startAuthority(t, { authority: quick });
  const page = await loggedIn(stack, adminOrigin, 'ana');
  const offer = await page.ask('POST', '/session/totp');
  const secret = fromBase32(String(offer.data['secret']));
  const code = () => totpCode(secret, Math.floor(stack.clock() / 30));
  const enrolled = await page.ask('PUT', '/session/totp', { code: code() });
  const recovery = enrolled.data['recovery_codes'] as unknown as string[];
  const enter = async (shown: () => string): Promise<number> => {
    advance(61);
    return (await browser(adminOrigin).ask('POST', '/session', { name: 'ana', password, code: shown() })).status;
  };
  const guess = async (times: number): Promise<void> => {
    for (let time = 0; time < times; time += 1) assert.equal(await enter(() => '12345x'), 401);
  };
  await guess(19);
  assert.equal(await enter(code), 200, 'the twentieth may be right');
  await guess(20);
  assert.equal(await enter(code), 401, 'one too many');
  assert.equal(await enter(() => recovery[0] ?? ''), 200);
  assert.equal(await enter(code), 200, 'they are counted anew');
  await authority.close();
  const told = await until(
    async () =>
      (await stack.store.events.list('events', { type: 'operator.login_failed', limit: 100 })).map(
        ({ text }) => contentOf(text)?.detail,
      ),
    (found) => found.length > 0,
  );
  assert.equal(
    told.reduce((sum, detail) => sum + Number(detail?.['wrong_codes']), 0),
    40,
  );
});

test('a new password ends every other session, on every replica', async (t) => {
  const store = memoryStore();
  const one = await startAuthority(t, { store, authority: quick });
  const two = await startAuthority(t, { store, authority: quick });
  const page = await loggedIn(one.stack, one.adminOrigin, 'ana');
  const elsewhere = browser(two.adminOrigin);
  // Behind one address both have the same name for it.
  const cookie = page.cookie.replace(new URL(one.adminOrigin).port, new URL(two.adminOrigin).port);
  Object.assign(elsewhere, { cookie, csrf: page.csrf });
  assert.equal((await elsewhere.ask('GET', '/session')).status, 200, 'a session of one replica serves at the other');
  const chosen = 'a different tree, a different harbour';
  const answer = await page.ask('PUT', '/session/password', { password, new_password: chosen });
  assert.equal(answer.status, 200);
  assert.equal((await elsewhere.ask('GET', '/session', undefined)).status, 401);
  assert.equal((await page.ask('GET', '/session')).status, 200);
  assert.equal((await elsewhere.ask('POST', '/session', { name: 'ana', password })).status, 401);
  assert.equal((await elsewhere.ask('POST', '/session', { name: 'ana', password: chosen })).status, 200);
});

test('the admin token goes on serving scripts, opens no session and needs no confirmation', async (t) => {
  const { adminOrigin } = await startAuthority(t, { authority: quick });
  const ask = (path: string, init?: RequestInit) =>
    fetch(`${adminOrigin}/admin/api${path}`, { ...init, headers: bearer(adminToken) });
  const made = await ask('/tokens', { method: 'POST', body: '{}' });
  assert.equal(made.status, 201);
  assert.equal((await ask('/session')).status, 401);
});

test('that something was changed is told to whoever listens', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  const answer = await fetch(`${adminOrigin}/admin/api/live`, { headers: bearer(adminToken) });
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk as Uint8Array);
    if (text.endsWith(': idle\n\n') && !text.includes('event:'))
      await stack.trail.record({ type: 'mode.set', subject: 'echo' });
    if (text.includes('event: changes')) break;
  }
  const [newest] = await stack.store.events.list('events', { limit: 1 });
  assert.match(text, new RegExp(`event: changes\\ndata: \\{"sequence":${newest?.sequence}\\}\\n\\n`));
  assert.doesNotMatch(text, /event: (?:ramp|decisions)/, 'nothing else happened');
});

test('whoever listens as often as they can keeps nobody else from listening', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  const [ben, ana] = [await loggedIn(stack, adminOrigin, 'ben', 'viewer'), await loggedIn(stack, adminOrigin, 'ana')];
  const listens = async ({ cookie, csrf }: typeof ben): Promise<number> => {
    const answer = await fetch(`${adminOrigin}/admin/api/live`, { headers: { cookie, 'x-countersign-csrf': csrf } });
    t.after(() => answer.body?.cancel());
    return answer.status;
  };
  const statuses: number[] = [];
  for (let count = 0; count < 70; count += 1) statuses.push(await listens(ben));
  assert.deepEqual([statuses[0], statuses.at(-1)], [200, 503]);
  assert.equal(await listens(ana), 200);
});

test('that a ramp went on or back is told to whoever listens', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, {
    yaml: 'mode: report\nservices: { echo: { upstream: http://127.0.0.1:1 } }\n',
    authority: quick,
  });
  const answer = await fetch(`${adminOrigin}/admin/api/live`, { headers: bearer(adminToken) });
  const decoder = new TextDecoder();
  let [text, told] = ['', 0];
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk as Uint8Array);
    const heard = text.split('event: ramp\ndata: {}\n\n').length - 1;
    if (heard === 2) break;
    if (heard < told || !text.endsWith(': idle\n\n')) continue;
    told += 1;
    const [path, order] = told === 1 ? ['ramp', { plan: 'steps: [{ routes: [echo/*] }]' }] : ['ramp/rollback', {}];
    const headers = bearer(adminToken);
    await fetch(`${adminOrigin}/admin/api/${path}`, { method: 'POST', headers, body: JSON.stringify(order) });
  }
  assert.equal(stack.ramp.state()?.status, 'withdrawn');
});

test('what is decided is told to whoever listens, until the session is over', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  const page = await loggedIn(stack, adminOrigin, 'ana');
  const answer = await fetch(`${adminOrigin}/admin/api/live`, {
    headers: { cookie: page.cookie, 'x-countersign-csrf': page.csrf },
  });
  assert.equal(answer.headers.get('content-type'), 'text/event-stream');
  let text = '';
  const row = {
    time: stack.clock(),
    outcome: 'allow',
    reason: '',
    note: '',
    mode: 'report',
    service: 'echo',
    route: '/*',
    method: 'GET',
    path: '/',
    principal: 'service:aidb',
    claimed: '',
    scheme: 'api-key',
    credentialId: 'k',
    clientAddress: '127.0.0.1',
    skewSeconds: null,
    durationMicros: 1,
    requestId: 'r',
  } as const;
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk as Uint8Array);
    if (text.endsWith(': idle\n\n') && !text.includes('event:')) await stack.store.decisions.append([row, row]);
    if (text.includes('event: decisions') && page.cookie !== '') {
      await page.ask('DELETE', '/sessions');
      page.cookie = '';
    }
  }
  const data = /event: decisions\ndata: (.*)\n/.exec(text)?.[1] ?? '{}';
  const told = JSON.parse(data) as { allow: number; decisions: { principal: string }[] };
  assert.equal(told.allow, 2);
  assert.equal(told.decisions[0]?.principal, 'service:aidb');
});

test('who is shut out while its body is under way changes nothing more', async (t) => {
  const { adminOrigin, stack } = await startAuthority(t, { authority: quick });
  const known = accounts({ records: stack.store.records, clock: stack.clock });
  for (const [method, path, body] of [
    ['POST', '/keys', { service: 'mallory' }],
    ['POST', '/tokens', { ttl_hours: 1 }],
    ['PUT', '/modes', { mode: 'off' }],
    ['POST', '/session/confirm', { password }],
  ] as const) {
    const name = `mallory${path.replaceAll('/', '-')}`;
    const page = await loggedIn(stack, adminOrigin, name);
    const text = JSON.stringify(body);
    const { host, port } = new URL(adminOrigin);
    const socket = connect(Number(port), '127.0.0.1');
    // 100 Continue is said when the caller was judged and the body is awaited.
    socket.write(
      `${method} /admin/api${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nCookie: ${page.cookie}\r\n` +
        `x-countersign-csrf: ${page.csrf}\r\nExpect: 100-continue\r\nContent-Length: ${text.length}\r\n\r\n`,
    );
    const [early] = (await once(socket, 'data')) as [Buffer];
    assert.match(early.toString(), /^HTTP\/1\.1 100 /);
    await known.change(name, (now) => ({ ...now, disabled: true, epoch: now.epoch + 1 }));
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.write(text);
    await once(socket, 'close');
    assert.match(answer, /^HTTP\/1\.1 401 /, path);
  }
  assert.deepEqual(await stack.store.keys.list(), []);
  assert.deepEqual(await stack.tokens.listActive(10), []);
  assert.equal(stack.modes.modeOf('echo', '*', null), 'enforce');
});
