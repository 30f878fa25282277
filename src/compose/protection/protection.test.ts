import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { adminToken, startAuthority } from '../../../test/fixtures/authority-stack.ts';
import { until } from '../../../test/fixtures/until.ts';
import type { Decision } from '../../core/decision.ts';
import { createKey } from '../../keys/create.ts';
import type { KeySource } from '../../keys/sources/index.ts';
import { protection, type Protection, type ProtectOptions } from './protection.ts';
import { requestWith } from '../../../test/fixtures/asked.ts';

const key = '0123456789abcdef'.repeat(4);

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-protection-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

interface Held {
  readonly shared: Protection;
  readonly warnings: string[];
}

async function protectedBy(t: TestContext, options: object): Promise<Held> {
  const warnings: string[] = [];
  const all = { service: 'embeddings', env: {}, warn: (text: string) => void warnings.push(text), ...options };
  const shared = await protection(all as ProtectOptions);
  t.after(() => shared.close());
  return { shared, warnings };
}

async function said({ guard }: Protection, path: string, headers?: Readonly<Record<string, string>>): Promise<string> {
  const { verdict, outcome } = await guard.decide(requestWith({ target: path, path, ...(headers && { headers }) }));
  return `${outcome}: ${verdict === null ? 'nobody asked' : verdict.allowed ? verdict.principal.id : verdict.reason}`;
}

const withKey = { 'x-api-key': key };

test('takes its own key and that of the stack from a folder of many, and leaves the rest alone', async (t) => {
  const folder = folderFor(t);
  for (const [name, value] of [
    ['embeddings_api_key', key],
    ['stack_api_key', 'f'.repeat(40) + key],
    ['qdrant_api_key', 'e'.repeat(40) + key],
  ] as const)
    writeFileSync(join(folder, name), value, { mode: 0o600 });
  const { shared, warnings } = await protectedBy(t, { keys: [{ files: join(folder, '*_api_key') }] });
  assert.equal(await said(shared, '/x', withKey), 'allow: holder:embeddings');
  assert.equal(await said(shared, '/x', { 'x-api-key': 'f'.repeat(40) + key }), 'allow: holder:stack');
  assert.equal(await said(shared, '/x', { 'x-api-key': 'e'.repeat(40) + key }), 'deny: invalid_credentials');
  assert.deepEqual(
    warnings.filter((text) => text.includes('qdrant')),
    [],
  );
});

test('without any key everything is refused, and it says so', async (t) => {
  const { shared, warnings } = await protectedBy(t, { keys: [] });
  assert.equal(await said(shared, '/x'), 'deny: missing_credentials');
  assert.equal(await said(shared, '/x', withKey), 'deny: invalid_credentials');
  assert.match(warnings.join(), /neither a key nor a session token is known yet/);
});

test('takes HMAC secrets of callers from .env files, and from a source of the caller', async (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'aidb.env'), `SERVICE_KEY=${key}\n`, { mode: 0o600 });
  let closed = false;
  const given: KeySource = {
    name: 'given',
    start: async () => undefined,
    keys: () => [],
    warnings: () => [],
    close: () => void (closed = true),
  };
  const { shared } = await protectedBy(t, { keys: [{ envFiles: join(folder, '*.env') }, given] });
  assert.equal(shared.stack.keyring.macKeys('aidb').length, 1);
  await shared.close();
  assert.equal(closed, true);
});

test('shares the keys, modes and decisions of a store', async (t) => {
  const folder = folderFor(t);
  const store = `sqlite:${join(folder, '.countersign', 'state.db')}`;
  const { shared } = await protectedBy(t, { keys: [{ store }] });
  const { stack } = shared;
  const order = { service: 'aidb', expiresAt: null, now: stack.clock() } as const;
  const { key: bearer } = await createKey(stack.store, stack.seal, { ...order, kind: 'sk' });
  await createKey(stack.store, stack.seal, { ...order, kind: 'hs' });
  const { shared: second } = await protectedBy(t, { keys: [{ store }] });
  assert.equal(await said(second, '/x', { authorization: `Bearer ${bearer}` }), 'allow: service:aidb');
  // The secret was sealed with a key that lies beside the store, where the other finds it.
  assert.equal(second.stack.keyring.macKeys('aidb').length, 1);
  await stack.modes.set('embeddings', 'report', 'operator:test');
  await until(() => second.stack.modes.modeOf('embeddings', '*', null) === 'report');
  assert.equal(await said(second, '/x'), 'would_deny: missing_credentials');
});

test("knows callers by their stack's authority, and ends with it once its word is old", async (t) => {
  const { stack, origin } = await startAuthority(t, {
    yaml: "callers: [aidb]\nservices: { embeddings: { upstream: 'http://127.0.0.1:1' } }\n",
  });
  const order = { service: 'aidb', expiresAt: null, now: stack.clock(), kind: 'sk' } as const;
  const { key: bearer } = await createKey(stack.store, stack.seal, order);
  const { shared } = await protectedBy(t, { keys: [{ authority: origin, token: adminToken, staleSecondsMax: 60 }] });
  assert.equal(await said(shared, '/x', { authorization: `Bearer ${bearer}` }), 'allow: service:aidb');
  const { shared: unheard } = await protectedBy(t, { keys: [{ authority: 'http://127.0.0.1:1', token: adminToken }] });
  assert.equal(await said(unheard, '/x', { authorization: `Bearer ${bearer}` }), 'deny: unavailable');
  const wrong = { service: 'embeddings', env: {}, keys: [{ authority: 'http://stack.example', token: adminToken }] };
  await assert.rejects(protection(wrong), {
    code: 'config_invalid',
    message: /must be https, or http on this machine/,
  });
});

test('once closed it follows nothing any more, and answers as one that is cut off from its store', async (t) => {
  const folder = folderFor(t);
  writeFileSync(join(folder, 'embeddings_api_key'), key, { mode: 0o600 });
  const routes = [{ path: '/strict', onStoreOutage: 'deny' }];
  const { shared } = await protectedBy(t, { keys: [{ files: join(folder, '*_api_key') }], routes });
  assert.equal(await said(shared, '/strict', withKey), 'allow: holder:embeddings');
  await shared.close();
  assert.equal(await said(shared, '/x', withKey), 'allow: holder:embeddings');
  assert.equal(await said(shared, '/strict', withKey), 'deny: unavailable');
});

test('judges by the routes that it is given, and takes the callers in them at their word', async (t) => {
  const { shared } = await protectedBy(t, {
    keys: [],
    routes: [
      { path: '/health', access: 'public' },
      { path: '/embed', methods: ['POST'], callers: ['aidb', 'service:hybrid', 'token:5f0c'], mode: 'report' },
    ],
    mode: 'enforce',
  });
  assert.equal(await said(shared, '/health'), 'public: nobody asked');
  assert.equal(await said(shared, '/embed'), 'would_deny: missing_credentials');
  assert.equal(await said(shared, '/x'), 'deny: missing_credentials');
});

test('refuses slips as a file is refused, all at once', async () => {
  const options = {
    service: 'embeddings',
    env: {},
    keys: [{ files: '/run/*/x' }],
    routes: [{ path: 'health', access: 'pubic' }],
    maxSignedBody: '10MB',
  };
  await assert.rejects(protection(options as unknown as ProtectOptions), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'config_invalid');
    for (const part of [
      '"pubic" is not a valid "access"',
      '"health" must begin with a slash',
      '10MB',
      'last component',
    ])
      assert.ok(error.message.includes(part), error.message);
    assert.doesNotMatch(error.message, /:\d+:\d+:/);
    return true;
  });
});

test('what it warns of has no place in a text that nobody wrote', async (t) => {
  const { warnings } = await protectedBy(t, { keys: [{ files: '/nowhere/at/all/*_api_key' }] });
  assert.match(warnings.join('\n'), /^protect: the folder \/nowhere\/at\/all does not exist/m);
});

test('tells of every option that nobody would read', async () => {
  const slips: readonly [options: unknown, words: readonly RegExp[]][] = [
    [undefined, [/no options — write keys/]],
    [{ keys: [] }, [/"service" must be a text/]],
    [{ service: 'a' }, [/"keys" is missing — write keys: \[\{ files/]],
    [{ service: 'a', keys: ['/run/secrets/*_api_key'] }, [/"keys" must be a list of places/]],
    [
      { service: 'a', keys: [], route: [{ path: '/x', callers: ['b'] }], log: true },
      [/unknown option "route" — did you mean "routes"\?/, /"log" must be a function/],
    ],
    [
      { service: 'a', keys: [{ store: 'memory:' }], store: 'sqlite:state.db' },
      [/"store" must be an object, not "sqlite:state.db"/],
    ],
    [{ service: 'a', config: 'x.yaml', routes: [{ path: '/x' }] }, [/"routes" is not read beside config/]],
    [{ service: 'a', config: 7 }, [/"config" must be the path of a file/]],
    [{ service: 'a', keys: [], caseSensitive: true }, [/unknown option "caseSensitive"/]],
    [
      { service: 'a', keys: [{ authority: 'https://a.example', token: 't', staleSeconds: 5 }] },
      [/unknown word "staleSeconds" in entry 1 of keys — did you mean "staleSecondsMax"\?/],
    ],
    [
      { service: 'a', keys: [{ files: '/a/*' }, { store: 'memory:', envFiles: '/b/*' }] },
      [/entry 2 of keys names envFiles and store — write an entry for each/],
    ],
    [{ service: 'a', keys: [{ files: '/a/*', token: 't' }] }, [/"token" is not read in entry 1 of keys/]],
    [{ service: 'a', keys: [{ redis: 'redis://127.0.0.1' }] }, [/unknown word "redis" in entry 1 of keys/]],
    [{ service: 'a', keys: [{ token: 't' }] }, [/entry 1 of keys names no place — write one of files, envFiles/]],
    [{ service: 'a', keys: [{ authority: 7 }] }, [/"authority" in entry 1 of keys must be a text, not 7/]],
    [
      { service: 'a', keys: [{ authority: 'https://a.example', token: 't', timeoutSeconds: '5' }] },
      [/"timeoutSeconds" in entry 1 of keys must be a number/],
    ],
    [{ service: 'a', keys: [{ authority: 'https://a.example' }] }, [/needs its token — write token or tokenFile/]],
    [{ service: 'a', keys: [{ authority: '127.0.0.1:8700', token: 't' }] }, [/must be an absolute http or https URL/]],
    [{ service: 'a', keys: [{ store: 'memory:' }, { store: 'memory:' }] }, [/keys can name one store only/]],
    [{ service: 'a', keys: [], accept: ['oauth'] }, [/no issuer of tokens is named — write issuers: \[\{ issuer/]],
    [{ service: 'a', config: 'examples/ai-stack/countersign.yaml' }, [/no service "a".* — it has embeddings/]],
  ];
  for (const [options, words] of slips)
    await assert.rejects(protection(options as ProtectOptions), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'config_invalid', error.stack);
      for (const part of words) assert.match(error.message, part);
      return true;
    });
  const given = { service: 'a', keys: [], config: undefined, routes: undefined, caseSensitive: true, env: {} };
  const shared = await protection({ ...given, warn: () => undefined } as ProtectOptions, ['caseSensitive']);
  await shared.close();
});

const file = (access: string) => `store: memory:
services:
  embeddings:
    upstream: http://127.0.0.1:9001
    maxSignedBody: 1KiB
    routes: [{ path: /health, access: ${access} }]
`;

test('a configuration that is absent is no matter of a command', async () => {
  const absent = protection({ service: 'a', config: '/nowhere/countersign.yaml', env: {} });
  await assert.rejects(absent, /does not exist — give the path of the stack's file as config/);
});

test("takes a stack's file that the gateway takes: callers known by their keys, secrets that only the gateway sees", async (t) => {
  const folder = folderFor(t);
  const config = join(folder, 'countersign.yaml');
  writeFileSync(join(folder, 'aidb.env'), `SERVICE_ID=aidb\nSERVICE_KEY=${key}\n`, { mode: 0o600 });
  const text = `store: memory:
keys: [{ envFiles: '*.env' }]
services:
  embeddings: { upstream: 'http://127.0.0.1:9001', routes: [{ path: /embed, callers: [aidb] }] }
  vectors: { upstream: 'http://127.0.0.1:9002', upstreamKey: { file: vectors.key } }
`;
  writeFileSync(config, text);
  const { shared, warnings } = await protectedBy(t, { config });
  assert.equal(await said(shared, '/embed'), 'deny: missing_credentials');
  writeFileSync(`${config}.new`, text.replace('callers: [aidb]', 'callers: [nobody]'));
  renameSync(`${config}.new`, config);
  await until(() => warnings.some((line) => /is refused: .*unknown caller "nobody"/.test(line)));
});

test('follows the file of MCP servers that the configuration names, in which its service may stand', async (t) => {
  const folder = folderFor(t);
  const config = join(folder, 'countersign.yaml');
  const servers = join(folder, 'mcp.json');
  const rewrite = (access: string) => {
    const server = { url: 'http://127.0.0.1:9001/mcp', routes: [{ path: '/health', access }] };
    writeFileSync(`${servers}.new`, JSON.stringify({ mcpServers: { embeddings: server } }));
    renameSync(`${servers}.new`, servers);
  };
  rewrite('public');
  writeFileSync(config, 'store: memory:\nmcpConfig: mcp.json\n');
  const { shared } = await protectedBy(t, { config });
  assert.equal(await said(shared, '/health'), 'public: nobody asked');
  rewrite('any');
  await until(async () => (await said(shared, '/health')) === 'deny: missing_credentials');
});

test("takes its part of a stack's file, and follows it", async (t) => {
  const folder = folderFor(t);
  const config = join(folder, 'countersign.yaml');
  writeFileSync(config, file('public'));
  const { shared, warnings } = await protectedBy(t, { config });
  assert.equal(await said(shared, '/health'), 'public: nobody asked');
  assert.equal(shared.maxSignedBody, 1024);
  const rewrite = (text: string) => {
    writeFileSync(`${config}.new`, text);
    renameSync(`${config}.new`, config);
  };
  rewrite(file('any'));
  await until(async () => (await said(shared, '/health')) === 'deny: missing_credentials');
  rewrite(file('public').replace('embeddings:', 'vectors:'));
  await until(() => warnings.some((text) => text.includes('is refused')));
  assert.equal(await said(shared, '/health'), 'deny: missing_credentials');
  await assert.rejects(protection({ service: 'embeddings', config, env: {} }), /no service "embeddings".*vectors/s);
});

test('neither needs an admin token nor takes back what was enforced for the stack', async (t) => {
  const folder = folderFor(t);
  const store = `sqlite:${join(folder, 'state.db')}`;
  const { shared } = await protectedBy(t, { keys: [{ store }] });
  await shared.stack.modes.set('embeddings', 'enforce', 'operator:test');
  const env = { AUTH_ENABLED: 'true', SERVICE_AUTH_ENFORCEMENT_MODE: 'false' };
  const { shared: second } = await protectedBy(t, { keys: [{ store }], env });
  assert.equal(await said(second, '/x'), 'deny: missing_credentials');
  const { shared: alone } = await protectedBy(t, { keys: [], env });
  assert.equal(await said(alone, '/x'), 'would_deny: missing_credentials');
  const open = { service: 'a', keys: [], env: { AUTH_ENABLED: 'false' } };
  await assert.rejects(protection(open), /would leave every service open/);
});

test('tells of every decision, and survives who listens', async (t) => {
  const fails: readonly (() => unknown)[] = [
    () => assert.fail(`no database ${performance.now()}`),
    () => Promise.reject(new Error(`no database ${performance.now()}`)),
  ];
  for (const fail of fails) {
    const seen: Decision[] = [];
    const lines: string[] = [];
    const { shared, warnings } = await protectedBy(t, {
      keys: [],
      log: (line: string) => (lines.push(line), fail()),
      onDecision: (decision: Decision) => (seen.push(decision), fail()),
    });
    for (let call = 0; call < 2; call += 1) assert.equal(await said(shared, '/x'), 'deny: missing_credentials');
    assert.equal(seen.length, 2);
    assert.match(lines.join(), /"event":"auth.decision"/);
    await setImmediate();
    for (const name of ['log', 'onDecision'])
      assert.equal(
        warnings.filter((text) => text.startsWith(`the function ${name} fails, which changes no decision: no `)).length,
        1,
      );
    const deaf = await protection({ service: 'a', keys: [], env: {}, warn: fail } as unknown as ProtectOptions);
    await deaf.close();
  }
});
