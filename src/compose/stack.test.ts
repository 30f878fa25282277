import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Decision } from '../core/decision.ts';
import type { AuthRequest } from '../core/request.ts';
import { StoreError } from '../core/store.ts';
import { deny } from '../core/verdict.ts';
import { createKey } from '../keys/create.ts';
import { revokeKey } from '../keys/revoke.ts';
import { signServiceRequest } from '../schemes/service-signature/index.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { parseConfig } from './load/load.ts';
import { openStore } from './open-store.ts';
import { createStack, type Stack, type StackOptions } from './stack.ts';
import { until } from '../../test/fixtures/until.ts';
import { requestWith } from '../../test/fixtures/asked.ts';
import { mintRequest } from '../../test/fixtures/mint-request.ts';

const masterKey = { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) };
const strong = 'Zk3vQ8wR1tY6uI0pL5sD2fG7hJ4kX9cV';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-stack-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

type Given = Partial<Pick<StackOptions, 'clock' | 'devMode' | 'logLine' | 'warn'>> & {
  readonly env?: Record<string, string>;
  readonly folder?: string;
};

/** A stack from the text of a configuration; closed behind the test. */
async function stackFrom(t: TestContext, text: string, given: Given = {}): Promise<Stack> {
  const { env: extra = {}, folder, ...options } = given;
  const env = { ...masterKey, ...extra };
  const config = parseConfig(text, { file: folder === undefined ? null : join(folder, 'countersign.yaml'), env });
  const stack = await createStack({ config, env, ...options });
  t.after(() => stack.close());
  return stack;
}

function requestTo(
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  service = 'embeddings',
): AuthRequest {
  return requestWith({ method, target: `/${service}${path}`, path, service, headers });
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

function said(decision: Decision): string {
  const { verdict } = decision;
  const who = verdict === null ? 'nobody asked' : verdict.allowed ? verdict.principal.id : verdict.reason;
  return `${decision.outcome}: ${who}`;
}

const text = `store: memory
callers: [aidb]
services:
  embeddings:
    upstream: http://127.0.0.1:9001
    routes:
      - { path: /health, access: public }
      - { path: /embed, methods: [POST], callers: [aidb], scopes: [embed:write] }
`;

test('decides a request end to end: key, signature, session token, route, scope', async (t) => {
  const lines: string[] = [];
  const stack = await stackFrom(t, text, { logLine: (line) => lines.push(line) });
  const now = stack.clock();
  const order = { service: 'aidb', expiresAt: null, now } as const;
  const { key } = await createKey(stack.store, stack.seal, { ...order, kind: 'sk', scopes: ['embed:write'] });
  const { key: noScope } = await createKey(stack.store, stack.seal, { ...order, kind: 'sk' });
  const { key: secret } = await createKey(stack.store, stack.seal, { ...order, kind: 'hs' });
  const { token } = await stack.tokens.mint(mintRequest);
  await settled(stack, () => stack.keyring.size === 3);
  const decide = async (...request: Parameters<typeof requestTo>) =>
    said(await stack.guard.decide(requestTo(...request)));

  assert.equal(await decide('/health'), 'public: nobody asked');
  assert.equal(await decide('/x'), 'deny: missing_credentials');
  assert.equal(await decide('/x', bearer(key)), 'allow: service:aidb');
  assert.equal(await decide('/x', { 'x-api-key': key }), 'allow: service:aidb');
  assert.match(await decide('/x', bearer(token)), /^allow: token:/);
  assert.equal(await decide('/x', bearer('unknown')), 'deny: invalid_credentials');
  assert.equal(await decide('/embed', bearer(key), 'POST'), 'allow: service:aidb');
  assert.equal(await decide('/embed', bearer(key), 'GET'), 'deny: not_allowed');
  assert.equal(await decide('/embed', bearer(noScope), 'POST'), 'deny: insufficient_scope');
  assert.equal(await decide('/embed', bearer(token), 'POST'), 'deny: not_allowed');
  const { headers } = signServiceRequest({
    serviceId: 'aidb',
    secret,
    method: 'GET',
    target: '/embeddings/x',
    timestamp: Math.floor(now),
  });
  assert.equal(await decide('/x', headers), 'allow: service:aidb');
  assert.equal(await decide('/y', headers), 'deny: invalid_signature');
  assert.equal(await decide('/x', bearer(key), 'GET', 'nowhere'), 'deny: no_such_service');

  assert.equal(lines.length, 13);
  assert.doesNotMatch(lines.join(), new RegExp(`${key}|${token}|${secret}`));
  assert.equal(stack.guard.refusal(denied, 'embeddings').status, 401);
});

const denied = deny('missing_credentials', '');

/** Waits for the keyring's own news; the store's change feed brings it. */
async function settled(stack: Stack, done: () => boolean): Promise<void> {
  if (done()) return;
  await new Promise<void>((resolve) => {
    const stop = stack.keyring.onChange(() => {
      if (!done()) return;
      stop();
      resolve();
    });
  });
}

test('a reload replaces routes, services and modes at once, and key files with them', async (t) => {
  const folder = folderFor(t);
  const stack = await stackFrom(t, text, { folder });
  writeFileSync(join(folder, 'tools_api_key'), strong, { mode: 0o600 });
  const next = `${text.replace('access: public', 'access: any')}  tools: { upstream: 'http://127.0.0.1:9002', apiKeyFile: tools_api_key }\n`;
  assert.equal(said(await stack.guard.decide(requestTo('/health'))), 'public: nobody asked');
  assert.equal(stack.service('tools'), null);

  stack.reload(parseConfig(next, { file: join(folder, 'countersign.yaml'), env: {} }));
  assert.equal(said(await stack.guard.decide(requestTo('/health'))), 'deny: missing_credentials');
  assert.equal(stack.service('tools')?.name, 'tools');
  await settled(stack, () => stack.keyring.size === 1);
  assert.equal(said(await stack.guard.decide(requestTo('/x', bearer(strong), 'GET', 'tools'))), 'allow: holder:tools');
  await stack.modes.set('tools', 'report', 'operator:test');

  stack.reload(parseConfig(text, { file: join(folder, 'countersign.yaml'), env: {} }));
  assert.equal(said(await stack.guard.decide(requestTo('/x', {}, 'GET', 'tools'))), 'deny: no_such_service');
  await settled(stack, () => stack.keyring.size === 0);
});

test('a reload refuses what needs a restart, and the configuration in force stays', async (t) => {
  const stack = await stackFrom(t, text);
  const before = stack.config;
  const other = (change: string) =>
    parseConfig(`${change}\n${text.replace('/health', '/other')}`, { file: null, env: {} });
  for (const change of ['listen: 127.0.0.1:9999', 'adminListen: 127.0.0.1:9999', 'audit: { rows: false }']) {
    assert.throws(() => stack.reload(other(change)), {
      code: 'restart_needed',
      message: new RegExp(change.split(':')[0] ?? ''),
    });
    assert.equal(stack.config, before);
    assert.equal(said(await stack.guard.decide(requestTo('/health'))), 'public: nobody asked');
  }
});

test('a mode set at run time outlives a restart, until SERVICE_AUTH_ENFORCEMENT_MODE=false takes enforcement back', async (t) => {
  const folder = folderFor(t);
  const own = `store: sqlite:state.db\nmode: off\nservices: { a: { upstream: 'http://127.0.0.1:9001' }, b: { upstream: 'http://127.0.0.1:9002' } }\n`;
  const modesOf = async (env: Record<string, string>, change?: (stack: Stack) => Promise<void>) => {
    const stack = await stackFrom(t, own, { folder, env });
    await change?.(stack);
    const found = await Promise.all(
      ['a', 'b'].map(async (name) => (await stack.guard.decide(requestTo('/', {}, 'GET', name))).mode),
    );
    await stack.close();
    return found;
  };
  assert.deepEqual(await modesOf({}), ['off', 'off']);
  assert.deepEqual(await modesOf({}, (stack) => stack.modes.set('a', 'enforce', 'operator:test')), ['enforce', 'off']);
  assert.deepEqual(await modesOf({}), ['enforce', 'off']);
  assert.deepEqual(await modesOf({ SERVICE_AUTH_ENFORCEMENT_MODE: 'true' }), ['enforce', 'enforce']);
  assert.deepEqual(await modesOf({ SERVICE_AUTH_ENFORCEMENT_MODE: 'false' }), ['report', 'report']);
  assert.deepEqual(await modesOf({}), ['off', 'off']);
});

test('a revoked key stays dead when it is found in a file', async (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'embeddings_api_key'), `${strong}\n`, { mode: 0o600 });
  const stack = await stackFrom(t, `keys: [{ files: '*_api_key' }]\n${text}`, { folder });
  const ask = async () => said(await stack.guard.decide(requestTo('/x', bearer(strong))));
  assert.equal(await ask(), 'allow: holder:embeddings');
  const heard = new Promise<void>((resolve) => void stack.keyring.onChange(resolve));
  await revokeKey(stack.store, strong, stack.clock());
  await heard;
  assert.equal(await ask(), 'deny: revoked');
});

test('dev mode asks nobody, on this machine only', async (t) => {
  const stack = await stackFrom(t, text, { devMode: true, env: { AUTH_ENABLED: 'false' } });
  await stack.modes.set('', 'enforce', 'operator:test');
  assert.equal(stack.devMode, true);
  assert.equal(said(await stack.guard.decide(requestTo('/embed', {}, 'POST'))), 'allow: nobody asked');
  await assert.rejects(stackFrom(t, `listen: 0.0.0.0:8700\n${text}`, { devMode: true }), {
    code: 'config_invalid',
    message: /--allow-unauthenticated does not listen beyond this machine \(0.0.0.0:8700\)/,
  });
});

test('AUTH_ENABLED=false alone, and AUTH_ENABLED=true without an admin token, are refused', async (t) => {
  await assert.rejects(
    stackFrom(t, text, { env: { AUTH_ENABLED: 'false' } }),
    /environment: AUTH_ENABLED=false .*--allow-unauthenticated/,
  );
  await assert.rejects(stackFrom(t, text, { env: { AUTH_ENABLED: 'true' } }), /environment: .*set AUTH_ADMIN_TOKEN/);
  await assert.rejects(
    stackFrom(t, text, { devMode: true, env: { AUTH_ENABLED: 'true', AUTH_ADMIN_TOKEN: strong } }),
    /contradict each other/,
  );
  const stack = await stackFrom(t, text, { env: { AUTH_ENABLED: 'true', AUTH_ADMIN_TOKEN: strong } });
  assert.equal(said(await stack.guard.decide(requestTo('/x'))), 'deny: missing_credentials');
});

test('knows the admin token by its digest, and nobody where none is configured', async (t) => {
  const without = await stackFrom(t, text);
  assert.deepEqual(
    [without.admin.configured, without.admin.isAdminToken(''), without.admin.isAdminToken('null')],
    [false, false, false],
  );
  const stack = await stackFrom(t, text, { env: { AUTH_ADMIN_TOKEN: strong } });
  assert.equal(stack.admin.configured, true);
  assert.deepEqual([stack.admin.isAdminToken(strong), stack.admin.isAdminToken(`${strong} `)], [true, false]);
  // Never a credential of a service route.
  assert.equal(said(await stack.guard.decide(requestTo('/x', bearer(strong)))), 'deny: invalid_credentials');
  assert.doesNotMatch(JSON.stringify(stack.config), new RegExp(strong));
});

test('the override token passes every rule, and guessing it is limited while the right one still passes', async (t) => {
  const stack = await stackFrom(t, text, { env: { SERVICE_AUTH_OVERRIDE_TOKEN: strong } });
  const ask = async (token: string) =>
    said(await stack.guard.decide(requestTo('/embed', { 'x-override-token': token })));
  assert.equal(await ask(strong), 'allow: operator:break-glass');
  for (let guess = 0; guess < 10; guess += 1) assert.equal(await ask(`wrong ${guess}`), 'deny: invalid_credentials');
  assert.equal(await ask('wrong'), 'deny: rate_limited');
  assert.equal(await ask(strong), 'allow: operator:break-glass');
});

test('counts wrong secrets on service routes only where failedAttempts says so', async (t) => {
  const usual = await stackFrom(t, text);
  for (let guess = 0; guess < 12; guess += 1)
    assert.equal(said(await usual.guard.decide(requestTo('/x', bearer(`wrong${guess}`)))), 'deny: invalid_credentials');
  const counting = await stackFrom(t, `failedAttempts: { limit: 2 }\n${text}`);
  const ask = async (headers?: Record<string, string>) => said(await counting.guard.decide(requestTo('/x', headers)));
  assert.equal(await ask(bearer('wrong1')), 'deny: invalid_credentials');
  assert.equal(await ask(bearer('wrong2')), 'deny: invalid_credentials');
  assert.equal(await ask(bearer('wrong3')), 'deny: rate_limited');
  assert.equal(await ask(), 'deny: missing_credentials');
});

test('a limit of the service covers paths that no rule names', async (t) => {
  const stack = await stackFrom(
    t,
    `store: memory\nservices: { embeddings: { upstream: 'http://127.0.0.1:9001', rateLimit: { limit: 1, per: 60s } } }\n`,
  );
  const { key } = await createKey(stack.store, stack.seal, {
    service: 'aidb',
    kind: 'sk',
    expiresAt: null,
    now: stack.clock(),
  });
  await settled(stack, () => stack.keyring.size === 1);
  assert.equal(said(await stack.guard.decide(requestTo('/x', bearer(key)))), 'allow: service:aidb');
  assert.equal(said(await stack.guard.decide(requestTo('/y', bearer(key)))), 'deny: rate_limited');
});

test('holds the own keys of upstreams and reads them anew when their files change', async (t) => {
  const folder = folderFor(t);
  const file = join(folder, 'own_key');
  writeFileSync(file, 'first\n', { mode: 0o600 });
  const own = `store: memory\nservices: { a: { upstream: 'http://127.0.0.1:9001', upstreamKey: { file: own_key } }, b: { upstream: 'http://127.0.0.1:9002' } }\n`;
  const stack = await stackFrom(t, own, { folder });
  assert.deepEqual([stack.upstreamKey('a'), stack.upstreamKey('b'), stack.upstreamKey('c')], ['first', null, null]);
  writeFileSync(`${file}.new`, 'second', { mode: 0o600 });
  renameSync(`${file}.new`, file);
  await until(() => stack.upstreamKey('a') === 'second');
  assert.equal(stack.service('a')?.upstreamKey?.header, 'authorization');
});

test('warns of weak tokens, of a loaded override, and of enforcing without any key', async (t) => {
  const warnings: string[] = [];
  await stackFrom(t, text, {
    env: { AUTH_ADMIN_TOKEN: 'short', SERVICE_AUTH_OVERRIDE_TOKEN: 'aaaaaaaaaaaaaaaaaaaa' },
    warn: (warning) => warnings.push(warning),
  });
  assert.deepEqual(
    warnings.map((warning) => warning.slice(0, 44)),
    [
      'AUTH_ADMIN_TOKEN has only 5 characters; make',
      'SERVICE_AUTH_OVERRIDE_TOKEN repeats a few ch',
      'SERVICE_AUTH_OVERRIDE_TOKEN is set: whoever ',
      'neither a key nor a session token is known y',
    ],
  );
});

test('lets go of the store it opened when it cannot start, and leaves open what was handed in', async (t) => {
  const folder = folderFor(t);
  const own = text.replace('store: memory', 'store: sqlite:state.db');
  await assert.rejects(stackFrom(t, own, { folder, env: { COUNTERSIGN_MASTER_KEY: 'short' } }), { code: 'master_key' });
  const store = memoryStore();
  const stack = await createStack({ config: parseConfig(text, { file: null, env: {} }), env: masterKey, store });
  await stack.close();
  await store.ping();
  assert.deepEqual(await store.keys.list(), []);
  await store.close();
});

test('does not start on a store that takes no writes', async () => {
  const config = parseConfig(text, { file: null, env: {} });
  const readOnly = new StoreError('store_unavailable', 'the store is read only; name the primary');
  const store = { ...memoryStore(), ping: () => Promise.reject(readOnly) };
  await assert.rejects(createStack({ config, env: masterKey, store }), readOnly);
});

test('a Supabase store without its key is refused, and one with two', async () => {
  const config = { kind: 'supabase', url: 'https://db.example' } as const;
  await assert.rejects(openStore(config, {}), { code: 'config_invalid', message: /SUPABASE_KEY is not set/ });
  const both = { SUPABASE_KEY: 'hunter2', SUPABASE_KEY_FILE: '/run/secrets/supabase_key' };
  await assert.rejects(openStore(config, both), (error: Error) => {
    assert.match(error.message, /SUPABASE_KEY and SUPABASE_KEY_FILE are both set/);
    assert.doesNotMatch(error.message, /hunter2/);
    return true;
  });
  await (await openStore(config, { SUPABASE_KEY: 'hunter2' })).close();
});
