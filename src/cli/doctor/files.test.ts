import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assert as always,
  constantFrom,
  oneof,
  property,
  string,
  stringMatching,
} from '../../../test/fixtures/properties.ts';
import { parse } from 'yaml';
import { checkCompose } from './check-compose.ts';
import { checkKnownForms } from './check-known-forms.ts';
import { openPorts } from './check-listeners.ts';
import { checkModes } from './check-modes.ts';
import { checkSettings } from './check-settings.ts';
import { settingsOf } from './settings.ts';
import type { StackFile } from './stack-files.ts';

function file(path: string, text: string, mode = 0o644): StackFile {
  return { path, absolute: `/stack/${path}`, mode, text };
}

const hex = '0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0';

function found(path: string, text: string): string[] {
  const files = [file(path, text)];
  return [...checkSettings(files).findings, ...checkCompose(files, 8700)].map(
    ({ check, place }) => `${check} ${place.slice(path.length + 1)}`,
  );
}

/** The text with every edit done that is offered. */
function mended(path: string, text: string): string {
  const lines = text.split('\n');
  const files = [file(path, text)];
  const findings = [...checkSettings(files).findings, ...checkCompose(files, 8700)];
  const edits = findings.flatMap(({ repair: { edit } }) => edit ?? []).toSorted((a, b) => b.line - a.line);
  for (const edit of edits) lines.splice(edit.line - 1, 1, ...edit.lines);
  return lines.join('\n');
}

const secrets: readonly [path: string, text: string, expected: readonly string[]][] = [
  ['.env', `A=1\nexport AIDB_API_KEY="${hex}" # ours\n`, ['plaintext-secret 2']],
  ['.env', `HOOK=https://h.test/x?a=1&token=${hex}\nB=https://h.test/?next_token=${hex}`, ['plaintext-secret 1']],
  ['mcp.json', `{"mcpServers":{"a":\n{"url":"https://h.test/mcp/?tavilyApiKey=${hex}"}}}`, ['plaintext-secret 2']],
  ['mcp.json', `{"mcpServers":{"a":{"url":"https://h.test/mcp?token=short&api_key=\${input:key}"}}}`, []],
  [
    'prod.env',
    'DB_PASSWORD=postgres\nDATABASE_URL=postgres://a:q7Rk2mXw@db/a',
    ['guessable-password 1', 'plaintext-secret 2'],
  ],
  ['app.yaml', `auth:\n  jwtSecret: ${hex}\n  tokenTtl: 3600\n`, ['plaintext-secret 2']],
  ['app.json', `{ "db": { "password": "changeme" } }`, ['guessable-password 1']],
  ['grafana.ini', '[security]\nadmin_password = admin\n', ['guessable-password 2']],
  ['redis.conf', 'port 6379\nrequirepass foobared\n', ['guessable-password 2']],
  ['deployment.yaml', `env:\n  - name: AIDB_API_KEY\n    value: ${hex}\n`, ['plaintext-secret 3']],
  ['docker-compose.yml', `services:\n  a:\n    command: redis-server --requirepass Zk3qPw81\n`, ['plaintext-secret 3']],
  [
    'docker-compose.yml',
    `services:\n  a:\n    command: [redis-server, --requirepass, Zk3qPw81]\n`,
    ['plaintext-secret 3'],
  ],
  [
    'docker-compose.yml',
    `services:\n  a:\n    environment:\n      X_TOKEN: \${X_TOKEN:-changeme}\n`,
    ['guessable-password 4'],
  ],
  ['compose.yml', `services:\n  a:\n    command: vllm serve --api-key "Zk3qPw81"\n`, ['plaintext-secret 3']],
  ['compose.yml', `services:\n  a:\n    command: [llama-server, --api-key=Zk3qPw81]\n`, ['plaintext-secret 3']],
  [
    'values.yaml',
    'password: mysecretpassword\nsecretKey: k1Zq7R0pLm2XtY9vBn4Wc8Ds\n',
    ['guessable-password 1', 'plaintext-secret 2'],
  ],
  ['litellm.yaml', 'general_settings: { master_key: sk-1234 }\n', ['guessable-password 1']],
  [
    'webui.env',
    'OPENAI_API_KEYS=Zk3qPw81;Qq7Rk2mX\nWEBUI_TOKEN=MY_TOKEN1\n',
    ['plaintext-secret 1', 'plaintext-secret 2'],
  ],
  ['realm.json', `{ "secret": "${hex}", "hf_token": "hf_Zk3qPw81" }`, ['plaintext-secret 1', 'plaintext-secret 1']],
  ['proxy.ini', 'proxy_pass = Zk3qPw81\ndb_pass: 12345678\n', ['plaintext-secret 1', 'guessable-password 2']],
  [
    'mcp.json',
    `{ "env": { "YOUR_API_KEY": "YOUR_API_KEY", "API_TOKEN": "<your token>" } }`,
    ['guessable-password 1', 'guessable-password 1'],
  ],
  ['.github/workflows/ci.yml', 'env: { PGPASSWORD: postgres, API_TOKEN: Zk3qPw81 }\n', ['plaintext-secret 1']],
  ['secret.yaml', `apiVersion: v1\nkind: Secret\ndata:\n  a: Zm9v\n`, ['clear-kubernetes-secret 1']],
];
for (const [path, text, expected] of secrets) {
  test(`finds what is in ${path}: ${text.slice(0, 60).replaceAll('\n', ' ')}`, () => {
    assert.deepEqual(found(path, text), expected);
  });
}

const harmless: readonly [path: string, text: string][] = [
  [
    'docker-compose.yml',
    'services:\n  a:\n    environment:\n      X_PASSWORD: ${X_PASSWORD:?}\n      Y_TOKEN_FILE: /run/secrets/y\n',
  ],
  ['app.yaml', 'password: /run/secrets/password\nsecretName: tls\nsecret: database\nexistingSecret: database\n'],
  ['app.yaml', 'password: "{{ vault_password }}"\npassword_hash: $2b$10$abcdefghijklmnopqrstuv\nuse_token: true\n'],
  ['.env.example', 'AIDB_API_KEY=change_me\n'],
  [
    'secrets.sops.yaml',
    'a_password: ENC[AES256_GCM,data:x]\nkind: Secret\napiVersion: v1\ndata: {}\nsops:\n  mac: x\n',
  ],
  ['notes.md', 'PASSWORD=changeme\n'],
  ['grafana.ini', '[security]\nadmin_password = $__env{GRAFANA_ADMIN_PASSWORD}\n'],
];
for (const [path, text] of harmless) {
  test(`finds nothing in ${path}: ${text.slice(0, 60).replaceAll('\n', ' ')}`, () => {
    assert.deepEqual(found(path, text), []);
  });
}

const base = `x-common: &common
  restart: always
services:
  cache:
    image: valkey/valkey:8
    <<: *common
    ports: ["6379:6379", "127.0.0.1:1:1"]
  db:
    image: postgres:18
    environment:
      POSTGRES_HOST_AUTH_METHOD: trust
      POSTGRES_PASSWORD: "q7Rk\\"2mXw"
    ports:
      - 0.0.0.0:5432:5432
      - { target: 80, published: 9000 }
      - "[::1]:9001:9001"
  web:
    image: grafana/grafana
    ports: ['443:443', '8700:8700']
  kv:
    image: redis:8
    command: redis-server --requirepass \${REDIS_PASSWORD}
`;

test('a Compose file with anchors, quotes and every form of ports is read, and mended it is still what it was', () => {
  assert.deepEqual(found('compose.yaml', base), [
    'plaintext-secret 12',
    'open-port 7',
    'redis-without-password 5',
    'open-port 14',
    'open-port 15',
    'postgres-without-password 11',
    'guessable-password 18',
  ]);
  const { services } = parse(mended('compose.yaml', base), { merge: true }) as {
    services: Record<string, Record<string, unknown>>;
  };
  assert.deepEqual(services['cache']?.['ports'], ['127.0.0.1:6379:6379', '127.0.0.1:1:1']);
  assert.match(JSON.stringify(services['cache']?.['command']), /exec valkey-server/);
  assert.deepEqual(services['db']?.['environment'], {
    POSTGRES_HOST_AUTH_METHOD: 'scram-sha-256',
    POSTGRES_PASSWORD: '${POSTGRES_PASSWORD:?}',
  });
  assert.match(JSON.stringify(services['db']?.['ports']), /^\["127\.0\.0\.1:5432:5432",/);
  assert.deepEqual(found('compose.yaml', mended('compose.yaml', base)), ['open-port 18', 'guessable-password 21']);
});

test('a reference is written where the secret stood and nowhere else', () => {
  const compose =
    "services:\n  a:\n    environment:\n      - API_KEY='x'\n      - 'TOKEN=Zk3qPw81'\n      - URL=redis://:Zk3qPw81@r:1/0\n";
  assert.match(
    mended('compose.yml', compose),
    /- 'TOKEN=\$\{A_TOKEN:\?\}'\n {6}- URL=redis:\/\/:\$\{REDIS_PASSWORD:\?\}@r:1\/0\n/,
  );
  assert.equal(mended('.env', `A=1\nB_TOKEN=${hex}\nC=2`), 'A=1\nC=2');
});

test('keys of Countersign and tokens of providers are found in any text, and not in files that keep one key privately', async () => {
  const key = `cs_sk_${'a'.repeat(10)}_${'b'.repeat(49)}`;
  const github = `ghp_${'abcdefghijklmnopqrstuvwxyz0123456789'}`;
  const files = [
    file('run.sh', `#!/bin/sh\ncurl -H "x-api-key: ${key}" http://x\n`),
    file('notes.md', `one\ntwo ${github}\n`),
    file('aidb.key', `${key}\n`, 0o600),
    file('open.key', `${key}\n`, 0o644),
  ];
  const findings = await checkKnownForms(files, new Set());
  const examples = `ghp_${'x'.repeat(36)} postgres://user:password@localhost/db`;
  assert.deepEqual(await checkKnownForms([file('README.md', examples)], new Set()), []);
  assert.deepEqual(
    findings.map(({ place }) => place),
    ['run.sh:2', 'notes.md:2', 'open.key:1'],
  );
  assert.doesNotMatch(JSON.stringify(findings), /bbbb|ghp_abc/);
  assert.deepEqual(await checkKnownForms(files.slice(0, 1), new Set(['run.sh:2'])), []);
});

test('a key of ours on every line of a log is one finding', async () => {
  const [one, other] = ['b', 'c'].map((letter) => `cs_sk_${'a'.repeat(10)}_${letter.repeat(49)}`);
  const findings = await checkKnownForms([file('a.log', `start\n${`${one}\n`.repeat(3)}${other}\n`)], new Set());
  assert.deepEqual(
    findings.map(({ place, repair }) => [place, /stands [^.]+/.exec(repair.words ?? '')?.[0]]),
    [
      ['a.log:2', 'stands 3 times'],
      ['a.log:5', undefined],
    ],
  );
});

test('a key in the file of an MCP client is to be held by the gateway', () => {
  const words = (path: string, name: string) => {
    const server = { url: 'http://127.0.0.1:9/mcp', headers: { Authorization: `Bearer ${hex}` } };
    const text = JSON.stringify({ [name]: { search: server } }, null, 2);
    return checkSettings([file(path, text)]).findings.map(({ repair }) => repair.words);
  };
  for (const [path, name] of [
    ['.cursor/mcp.json', 'mcpServers'],
    ['.vscode/mcp.json', 'servers'],
  ] as const)
    assert.match(
      String(words(path, name)),
      /^Then take it out of here: let the gateway .* docs\/mcp\.md has both files\. /,
    );
});

test('the key in the .env file of a caller, which reads it there, is left to it, and is never to be made anew in a bundle', () => {
  const text = `SERVICE_ID=aidb\nSERVICE_KEY=${hex}\n`;
  assert.deepEqual(checkSettings([file('keys/aidb.env', text, 0o600)]).findings, []);
  const [open, ...others] = checkSettings([file('keys/aidb.env', text, 0o644)]).findings;
  assert.equal(others.length, 0);
  assert.deepEqual(open?.repair.commands, ['chmod 600 keys/aidb.env']);
  assert.equal(open?.repair.edit, null, 'the caller and the gateway read it there');
  assert.match(String(open?.repair.words), /^It is the key of aidb, .* docs\/keys\.md/);
  // Without the name of a caller it is a setting like any other.
  assert.equal(checkSettings([file('.env', `SERVICE_KEY=${hex}\n`, 0o600)]).findings.length, 1);
});

test('a secret that a provider issued is never made anew here', () => {
  const commands = (text: string) =>
    checkSettings([file('.env', text)]).findings.flatMap(({ repair }) => repair.commands.map((line) => line));
  const token = `q7Rk2m${hex}`;
  for (const name of ['OPENAI_API_KEY', 'HF_TOKEN', 'GITHUB_TOKEN'])
    assert.deepEqual(commands(`${name}=${token}\n`), [`countersign secrets set ${name.toLowerCase()}`]);
  assert.deepEqual(commands(`LLM_API_KEY=sk-ant-${token}\n`), ['countersign secrets set llm_api_key']);
  assert.deepEqual(commands(`AIDB_API_KEY=${token}\n`), ['countersign secrets set aidb_api_key --generate']);
});

test('only ports that listen beyond loopback are open', () => {
  const row = (address: string, state: string): string =>
    `   0: ${address} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0`;
  const table = [
    row('00000000:1F91', '0A'),
    row('0100007F:1F92', '0A'),
    row('00000000:1F93', '01'),
    row('00000000000000000000000000000000:1F94', '0A'),
    row('00000000000000000000000001000000:1F95', '0A'),
    row('0000000000000000FFFF00000100007F:1F96', '0A'),
    row('0105A8C0:1F97', '0A'),
  ].join('\n');
  assert.deepEqual([...openPorts(table)], [8081, 8084, 8087]);
});

test('a comment that is drawn of hashes holds nobody up', async () => {
  const drawn = file('a.yaml', `${'# '.repeat(60)}\n`.repeat(3), 0o600);
  assert.deepEqual(await checkKnownForms([drawn], new Set()), []);
  assert.deepEqual(checkModes([{ ...drawn, mode: 0o644 }], new Set(), '/stack', []), []);
});

test('no file brings the reading down', () => {
  const yamlish = stringMatching(/^[-a-z:{}[\]"'&*|>#\n =$!?]{0,80}$/);
  always(
    property(
      constantFrom('a.yaml', 'a.json', '.env', 'a.ini', 'compose.yml'),
      oneof(yamlish, string()),
      (path, text) => {
        for (const { range, line } of settingsOf(file(path, text))) {
          assert.ok(line >= 1 && line <= text.split('\n').length);
          if (range) assert.ok(range[0] <= range[1] && range[1] <= text.length);
        }
        found(path, text);
      },
    ),
    { numRuns: 500 },
  );
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  assert.doesNotThrow(() => found('a.json', deep));
});

test('two secrets of one name go into the bundle under two, and one that stands twice under one', () => {
  const [first, second, third] = ['Zk3qPw81mNx7', 'Rt9vLs42bHc5', 'Wn6xJd37fGk8'];
  const compose = `services:
  aidb: { environment: { DATABASE_URL: "postgres://u:${first}@db/a", POSTGRES_PASSWORD: ${first} } }
  ocr:
    environment:
      DATABASE_URL: postgres://u:${second}@db/b
`;
  const files = [
    file('compose.yaml', compose),
    file('web/.env', `POSTGRES_PASSWORD=${third}\n`),
    file('.env', `POSTGRES_PASSWORD=${second}\n`),
    file('other.env', `POSTGRES_PASSWORD=${third}x\n`),
    file('.env.ci', `POSTGRES_PASSWORD=${third}y\n`),
  ];
  const repairs = checkSettings(files).findings.map(({ repair }) => repair);
  assert.deepEqual(
    repairs.map(({ commands }) => commands),
    [
      'postgres_password',
      'postgres_password',
      'ocr_postgres_password',
      'web_postgres_password',
      'ocr_postgres_password',
      'other_postgres_password',
      'env_postgres_password',
    ].map((name) => [`countersign secrets set ${name} --generate`]),
  );
  assert.deepEqual(repairs[2]?.edit?.lines, ['      DATABASE_URL: postgres://u:${OCR_POSTGRES_PASSWORD:?}@db/b']);
  assert.deepEqual(
    repairs[3]?.edit?.lines,
    ['POSTGRES_PASSWORD=${WEB_POSTGRES_PASSWORD}'],
    'its program asks for the old name',
  );
});
