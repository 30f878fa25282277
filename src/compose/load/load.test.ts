import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as fc from '../../../test/fixtures/properties.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { faultLines } from './config.fixtures.ts';
import { ConfigError, loadConfig, parseConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'countersign-load-'));
after(() => rmSync(folder, { recursive: true }));

const minimal = 'services:\n  a: { upstream: http://127.0.0.1:9001 }\n';

test('shows no password of a store, an upstream or Redis', () => {
  const text = `store: mysql://root:hunter2@db/x
keys: [{ redis: "ftp://:hunter2@r" }]
services: { a: { upstream: "http://me:hunter2@h/x?y#z" }, b: { upstream: "me:hunter2@h" } }
`;
  assert.equal(faultLines(text).length, 4);
  assert.doesNotMatch(faultLines(text).join('\n'), /hunter2/);
});

test('fills in every default', () => {
  const { services, trustedProxies, ...rest } = parseConfig(minimal, { file: '/nowhere/c.yaml', env: {} });
  assert.deepEqual(trustedProxies.cidrs, []);
  assert.deepEqual(rest, {
    file: '/nowhere/c.yaml',
    mcpFiles: [],
    digest: sha256Hex(minimal),
    name: 'countersign',
    listen: { host: '127.0.0.1', port: 8700 },
    adminListen: { host: '127.0.0.1', port: 8701 },
    tls: null,
    adminTls: null,
    certificates: [],
    adminHosts: [],
    store: { kind: 'sqlite', file: '/nowhere/.countersign/state.db' },
    mode: 'enforce',
    modeIsDefault: true,
    keys: [],
    failedAttempts: null,
    audit: {
      log: true,
      rows: true,
      retainSeconds: 2_592_000,
      retainRows: 1_000_000,
      retainEventsSeconds: 34_560_000,
      retainEventsCount: 100_000,
    },
    outsideCallers: [],
    publicUrl: 'http://127.0.0.1:8700',
    oauth: null,
    openid: null,
    rotateEverySeconds: null,
    rotateGraceSeconds: 86_400,
    deliver: new Map(),
    tokenTtlSeconds: 86_400,
    warnings: [],
  });
  assert.deepEqual(services, [
    {
      name: 'a',
      upstream: 'http://127.0.0.1:9001',
      command: null,
      tls: null,
      listen: null,
      hosts: [],
      mount: null,
      accept: ['http-signature', 'service-signature', 'api-key', 'session-token'],
      authorization: 'ours',
      passCredential: false,
      upstreamKey: null,
      apiKeyFile: null,
      mode: null,
      rules: [],
      rateLimit: null,
      mcp: null,
      oauth: null,
      origins: null,
      staleSecondsMax: 300,
      maxSignedBody: 10_485_760,
      timeouts: { connectSeconds: 5, responseSeconds: 300 },
      signature: { windowSeconds: 300, replay: 'off', ageSeconds: 60, skewSeconds: 30, hosts: null },
      rotateEverySeconds: null,
      rotateGraceSeconds: null,
    },
  ]);
});

test('reads every key', () => {
  const writing = { glob: 'write_*', scopes: ['files:write'] };
  writeFileSync(join(folder, 'own_key'), 'k');
  const text = `
listen: '[::1]:0'
adminListen: localhost:0
adminHosts: [admin.example.org]
name: stack
store: memory:
mode: report
trustedProxies: [10.0.0.0/8, '::1']
callers: [outside, legacy]
keys:
  - files: secrets/*_api_key
  - envFiles: ${folder}/*.env
rotateEvery: 90d
rotateGrace: 2d
deliver:
  outside: { file: outside.key }
  tools: { envFile: ${folder}/tools.env }
  legacy: { redis: redis://:hunter2@127.0.0.1/1 }
failedAttempts: { limit: 5, per: 1m }
audit: { log: false, rows: false, retain: 1h, retainRows: 10, retainEvents: 2h, retainEventsCount: 20 }
services:
  tools:
    upstream: https://Tools.example.org/base/
    listen: 127.0.0.1:0
    hosts: [tools.example.org]
    mount: /
    accept: [api-key, service-signature]
    authorization: upstream
    passCredential: true
    upstreamKey: { file: own_key, header: x-api-key }
    apiKeyFile: own_key
    mode: off
    rateLimit: { limit: 9, per: 9s }
    onStoreOutage: deny
    maxSignedBody: 1KiB
    tools:
      allow: [search]
      scopes: { 'write_*': [files:write] }
      for: { outside: { deny: [drop] } }
    resources: { for: { outside: { allow: ['file:///b/*'] } } }
    timeouts: { connect: 1s, response: 2m }
    signature: { window: 30, replay: all, age: 2m, skew: 5, hosts: ['tools.internal:8081'] }
    rotateEvery: 30d
    rotateGrace: 12h
    routes:
      - { path: /x/:id, methods: [GET, POST], access: service, callers: [outside, tools, 'service:outside'], scopes: [a, 'b:c'],
          allowedIps: [192.0.2.0/24], rateLimit: { limit: 1, per: 1h, by: address }, mode: enforce, onStoreOutage: cached(90s) }
`;
  const config = parseConfig(text, { file: join(folder, 'c.yaml'), env: {} });
  assert.deepEqual(config.listen, { host: '::1', port: 0 });
  assert.deepEqual(config.keys, [
    { kind: 'files', pattern: join(folder, 'secrets/*_api_key') },
    { kind: 'envFiles', pattern: join(folder, '*.env') },
  ]);
  assert.deepEqual(config.failedAttempts, { limit: 5, windowSeconds: 60 });
  assert.deepEqual(config.audit, {
    log: false,
    rows: false,
    retainSeconds: 3600,
    retainRows: 10,
    retainEventsSeconds: 7200,
    retainEventsCount: 20,
  });
  assert.deepEqual(config.outsideCallers, ['outside', 'legacy']);
  assert.deepEqual([config.rotateEverySeconds, config.rotateGraceSeconds], [90 * 86_400, 2 * 86_400]);
  assert.deepEqual(Object.fromEntries(config.deliver), {
    outside: { kind: 'file', path: join(folder, 'outside.key') },
    tools: { kind: 'envFile', path: join(folder, 'tools.env') },
    legacy: { kind: 'redis', url: 'redis://:hunter2@127.0.0.1/1' },
  });
  assert.deepEqual(config.trustedProxies.cidrs, ['10.0.0.0/8', '::1']);
  assert.match(
    config.warnings.join(),
    /:11:12: the folder .*secrets does not exist — no key is read from it until it does/,
  );
  const [service] = config.services;
  assert.ok(service);
  const { rules, ...own } = service;
  assert.deepEqual(own, {
    name: 'tools',
    upstream: 'https://tools.example.org/base/',
    command: null,
    tls: null,
    listen: { host: '127.0.0.1', port: 0 },
    hosts: ['tools.example.org'],
    mount: '/',
    accept: ['service-signature', 'api-key'],
    authorization: 'upstream',
    passCredential: true,
    upstreamKey: { file: join(folder, 'own_key'), header: 'x-api-key' },
    apiKeyFile: join(folder, 'own_key'),
    mode: 'off',
    rateLimit: { limit: 9, windowSeconds: 9, by: 'caller' },
    staleSecondsMax: 0,
    oauth: null,
    origins: null,
    mcp: {
      tools: [
        { callers: new Set(['service:outside']), allow: null, deny: ['drop'], scopes: [writing] },
        { callers: null, allow: ['search'], deny: [], scopes: [writing] },
      ],
      resources: [
        { callers: new Set(['service:outside']), allow: ['file:///b/*'], deny: [], scopes: [] },
        { callers: null, allow: [], deny: [], scopes: [] },
      ],
      prompts: null,
    },
    maxSignedBody: 1024,
    timeouts: { connectSeconds: 1, responseSeconds: 120 },
    signature: {
      windowSeconds: 30,
      replay: 'all',
      ageSeconds: 120,
      skewSeconds: 5,
      hosts: ['tools.internal:8081'],
    },
    rotateEverySeconds: 30 * 86_400,
    rotateGraceSeconds: 12 * 3600,
  });
  assert.deepEqual(rules[0]?.addresses?.cidrs, ['192.0.2.0/24']);
  assert.equal(rules[0]?.staleSecondsMax, 90);
  assert.deepEqual(rules[0]?.rateLimit, { limit: 1, windowSeconds: 3600, by: 'address' });
  assert.deepEqual(rules[0]?.methods, ['GET', 'POST']);
});

test('warns of what is allowed but looks like a slip', () => {
  const text = `adminListen: 0.0.0.0:8701
trustedProxies: [0.0.0.0/0]
services: { a: { upstream: http://127.0.0.1:9001 } }
`;
  const { warnings } = parseConfig(text, { file: '/nowhere/c.yaml', env: {} });
  assert.deepEqual(
    warnings.map((line) => line.replace(/ — .*/, '')),
    [
      '/nowhere/c.yaml:1:14: the admin endpoints listen beyond this machine (0.0.0.0)',
      '/nowhere/c.yaml:2:18: every peer would be believed about the address of its client',
    ],
  );
});

test('warns where a rule names a client, and several issuers give out that name', () => {
  const warned = (issuers: string, service: string) =>
    parseConfig(
      `oauth: { ${issuers} }
services: { a: { upstream: http://127.0.0.1:9001, accept: [oauth], ${service} } }
`,
      { file: '/nowhere/c.yaml', env: {} },
    ).warnings;
  const [corp, partner] = ['https://corp.example', 'https://partner.example'];
  const both = `issuers: [{ issuer: ${corp} }, { issuer: ${partner} }]`;
  const rules = [`routes: [{ path: /x, callers: ['client:agent'] }]`, `tools: { for: { 'client:agent': {} } }`];
  for (const rule of rules) {
    for (const issuers of [both, `server: {}, issuers: [{ issuer: ${corp} }]`])
      assert.match(warned(issuers, rule).join(), /^[^:]*:2:\d+: "client:agent" may be a client of any of 2 issuers — /);
    assert.deepEqual(warned(both, `${rule}, oauth: { issuers: [${corp}] }`), []);
    assert.deepEqual(warned(`issuers: [{ issuer: ${corp} }]`, rule), []);
  }
  assert.deepEqual(warned(both, 'routes: [{ path: /x, scopes: [a] }]'), []);
});

test('takes store: memory: as it is written everywhere, though it is no YAML, and keeps the places behind it', () => {
  assert.deepEqual(storeOf(`store: memory:  # gone at the end\r\n${minimal}`, {}), { kind: 'memory' });
  assert.deepEqual(faultLines(`store: memory:\nmode: x\n${minimal}`), [
    '2:7: "x" is not a valid "mode" — write off, report or enforce',
  ]);
});

test('says what is wrong with the environment and the file at once', () => {
  assert.deepEqual(faultLines(`mode: x\n${minimal}`, { AUTH_TOKEN_TTL: 'a day' }), [
    '1:7: "x" is not a valid "mode" — write off, report or enforce',
    'environment: AUTH_TOKEN_TTL has a value that is not understood — write hours as a whole number from 1 to 87600: 24',
  ]);
});

function storeOf(text: string, env: Record<string, string>) {
  return parseConfig(text, { file: '/nowhere/c.yaml', env }).store;
}

test('the file wins over the environment where it names a store', () => {
  const database = { DATABASE_URL: 'postgres://db/x' };
  assert.deepEqual(storeOf(`store: memory:\n${minimal}`, database), { kind: 'memory' });
  assert.deepEqual(storeOf(minimal, { AUTH_STORAGE: 'memory', ...database }), { kind: 'memory' });
});

test('asks nothing of variables that name a store where the file names one', () => {
  const others = { DATABASE_URL: 'mysql://me:hunter2@db', REDIS_URL: 'redis://cache' };
  assert.deepEqual(storeOf(`store: memory\n${minimal}`, others), { kind: 'memory' });
  assert.deepEqual(faultLines(minimal, others), [
    'environment: DATABASE_URL has a value that is not understood — write postgres://USER@HOST/DATABASE',
  ]);
  assert.deepEqual(faultLines(minimal, { AUTH_STORAGE: 'supabase', SUPABASE_URL: 'https://me:hunter2@db/x' }), [
    'environment: SUPABASE_URL has a value that is not understood — AUTH_STORAGE=supabase needs SUPABASE_URL=https://… and SUPABASE_KEY',
  ]);
});

test('takes the token life and the window of signatures from the environment', () => {
  const env = { AUTH_TOKEN_TTL: '2', AUTH_TIMESTAMP_WINDOW: '60' };
  const config = parseConfig(minimal, { file: null, env });
  assert.equal(config.tokenTtlSeconds, 7200);
  assert.equal(config.services[0]?.signature.windowSeconds, 60);
});

/** What loadConfig says of a file with this content; null when it reads it. */
function message(name: string, content?: Uint8Array): string | null {
  const file = join(folder, name);
  if (content) writeFileSync(file, content);
  try {
    loadConfig(file, {});
  } catch (error) {
    return error instanceof ConfigError ? error.format().replace(`${folder}/`, '') : String(error);
  }
  return null;
}

test('refuses a file that is absent, a folder, too large or not UTF-8', () => {
  assert.match(message('none.yaml') ?? '', /^none.yaml: the file does not exist — name another with --config/);
  assert.match(message('') ?? '', /the file cannot be read \(EISDIR\)/);
  assert.match(message('large.yaml', Buffer.alloc(1_048_577, '#')) ?? '', /^large.yaml: the file is larger than 1 MiB/);
  assert.match(message('latin.yaml', Buffer.from([0x6e, 0xe9])) ?? '', /^latin.yaml: the file is not UTF-8 text/);
  assert.equal(message('bom.yaml', Buffer.from(`\ufeff${minimal}`)), null);
});

test('warns of a file that everyone can change', () => {
  const file = join(folder, 'open.yaml');
  writeFileSync(file, minimal);
  chmodSync(file, 0o644);
  assert.deepEqual(loadConfig(file, {}).warnings, []);
  chmodSync(file, 0o666);
  const [warning, ...others] = loadConfig(file, {}).warnings;
  assert.match(warning ?? '', /open\.yaml: everyone on this machine can change it \(mode 0666\).*chmod o-w/);
  assert.deepEqual(others, []);
});

test('shows at most a hundred faults, and counts the rest', () => {
  const text = Array.from({ length: 150 }, (_, index) => `zz${index}: 1`).join('\n');
  const lines = faultLines(text);
  assert.equal(lines.length, 101);
  assert.equal(lines.at(-1)?.trim(), 'and 51 more');
});

/** Pieces of configuration and of YAML, so that a good part of what is made gets beyond the parser. */
const piece = fc.constantFrom(
  'services',
  'upstream',
  'routes',
  'path',
  'listen',
  'mode',
  'keys',
  'files',
  'callers',
  'a',
  'report',
  '/x',
  '127.0.0.1:1',
  'http://h:1',
  ': ',
  ':\n',
  '\n',
  '\n  ',
  '\n    ',
  '- ',
  '[',
  ']',
  '{',
  '}',
  ', ',
  '"',
  "'",
  '&a ',
  '*a',
  '!!x ',
  '<<',
  '---\n',
  '? ',
  '| ',
  '> ',
  '# ',
  '%',
  '\t',
  '\0',
  '\ufeff',
  '\ud800',
  '\u2028',
  '1',
  '-0',
  '1e999',
  '.nan',
  '0x1',
  'null',
  '~',
  'true',
  '__proto__',
  'constructor',
  'toString',
  '\r',
);
const mess = fc.oneof(
  fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
  fc.array(piece, { maxLength: 20 }).map((pieces) => minimal + pieces.join('')),
  fc.json(),
  fc.string({ unit: 'binary', maxLength: 200 }),
);

test('property: whatever the text, it is read or refused with a ConfigError that has a place for every fault', () => {
  fc.assert(
    fc.property(mess, (text) => {
      try {
        parseConfig(text, { file: '/nowhere/c.yaml', env: {} });
      } catch (error) {
        assert.ok(error instanceof ConfigError, error instanceof Error ? error.stack : String(error));
        assert.ok(error.faults.length > 0);
        for (const fault of error.faults) assert.ok(fault.line >= 0 && fault.column >= 0 && fault.message !== '');
      }
    }),
    { numRuns: 500 },
  );
});

test('refuses nesting without end, aliases that multiply, and a large map in reasonable time', () => {
  for (const text of [
    '['.repeat(20_000),
    '- '.repeat(20_000),
    'a: '.repeat(20_000),
    `a: &a [x,x]\n${Array.from({ length: 30 }, (_, index) => `b${index}: &b${index} [*a,*a]`).join('\n')}`,
    Array.from({ length: 10_000 }, (_, index) => `k${index}: 1`).join('\n'),
  ])
    assert.ok(faultLines(text).length > 0);
});

test('a key that stands where its file was to be named is not repeated', () => {
  const key = 'cs_sk_BYPmDVPWrt_XrMxT10M3EoUKJSYLoWNAJrvIhgpdu2g9a4mVJCqcdj1vfr0k';
  const misplaced = [
    `services: { a: { upstream: http://127.0.0.1:9, upstreamKey: { file: ${key} } } }`,
    `services: { a: { upstream: http://127.0.0.1:9, apiKeyFile: ${key} } }`,
    `services: { a: { upstream: http://127.0.0.1:9, routes: [{ path: /x, callers: [${key}] }] } }`,
    `services: { a: { upstream: http://127.0.0.1:9, ${key}: x } }`,
    `services: { a: { command: cat, secrets: { T: { file: ${key} } } } }`,
    `mode: ${key}\nservices: { a: { upstream: http://127.0.0.1:9 } }`,
    key,
  ];
  for (const text of misplaced)
    assert.throws(
      () => parseConfig(text, { file: null, env: {} }),
      (error: ConfigError) =>
        !`${error.message}${error.format()}${JSON.stringify(error.faults)}`.includes('XrMxT10M3E'),
      text,
    );
});

test('a long list of what may be written stands once in a message', () => {
  const service = '{ image: a, ports: [1], upstream: http://127.0.0.1:9 }';
  assert.throws(
    () => parseConfig(`services: { a: ${service}, b: ${service} }`, { file: null, env: {} }),
    (error: ConfigError) => {
      const hints = error.message.split('\n').map((line) => line.split(' — ')[1] ?? '');
      assert.match(hints[0] ?? '', /^known here: upstream, command, /);
      assert.deepEqual(hints.slice(1), ['as above', 'as above', 'as above']);
      assert.ok(
        error.faults.every(({ hint }) => hint.startsWith('known here: ')),
        'each by itself says it all',
      );
      return true;
    },
  );
});
