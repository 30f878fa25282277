import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cliHere } from '../../../test/fixtures/cli-here.ts';
import { parseConfig } from '../../compose/load/load.ts';
import { StoreError, type DecisionRow, type Store } from '../../core/store.ts';
import { createKey } from '../../keys/create.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { checkOauth } from './check-oauth.ts';
import { checkStore } from './check-store.ts';

const now = 1_800_000_000;
const day = 86_400;
const noSeal = { seal: () => '', open: () => '' };

const config = parseConfig(
  `services:
  embeddings:
    upstream: http://127.0.0.1:8081
    routes:
      - { path: /health, access: public }
      - { path: /open, access: public }
  young:
    upstream: http://127.0.0.1:8082
    routes: [{ path: /open, access: public }]
`,
  { file: null, env: {} },
);

function row(of: Partial<DecisionRow>): DecisionRow {
  return {
    time: now - day / 2,
    outcome: 'allow',
    reason: '',
    note: '',
    mode: 'enforce',
    service: 'embeddings',
    route: '*',
    method: 'GET',
    path: '/x',
    principal: '',
    claimed: '',
    scheme: '',
    credentialId: '',
    clientAddress: '127.0.0.1',
    skewSeconds: null,
    durationMicros: 1,
    requestId: 'r',
    ...of,
  };
}

test('the store tells of keys that end, keys nobody uses, public routes nobody calls and clocks that are off', async () => {
  const store = memoryStore();
  const key = async (service: string, age: number, ends: number | null) =>
    (
      await createKey(store, noSeal, {
        service,
        kind: 'sk',
        now: now - age,
        expiresAt: ends === null ? null : now + ends,
      })
    ).record.id;
  const ending = await key('aidb', 80 * day, 5 * day);
  const unused = await key('old', 60 * day, null);
  const used = await key('busy', 60 * day, null);
  await key('fresh', day, null);
  for (const credentialId of [used, ending]) {
    const times = { firstUsed: now - 50 * day, lastUsed: now - day };
    await store.usage.add([{ credentialId, caller: 'service:x', clientAddress: '127.0.0.1', count: 1, ...times }]);
  }
  await store.decisions.append([
    row({ time: now - 20 * day }),
    row({ route: '/health', outcome: 'public' }),
    row({ service: 'young' }),
    ...[40, 42, 44].map((skewSeconds) => row({ principal: 'service:slow', skewSeconds })),
    ...[-1, 0, 400].map((skewSeconds) => row({ principal: 'service:good', skewSeconds })),
  ]);
  const findings = await checkStore(config, store, now);
  assert.deepEqual(
    findings.map(({ check, place }) => `${check} ${place}`),
    [
      `key-wanting key ${ending}`,
      `unused-key key ${unused}`,
      'silent-public-route embeddings/open',
      'clock-skew service:slow',
    ],
  );
  assert.deepEqual(findings[0]?.repair.commands, [`countersign keys rotate ${ending}`]);
  assert.deepEqual(findings[1]?.repair.commands, [`countersign keys revoke ${unused}`]);
  assert.match(findings[3]?.what ?? '', /by 42 s/);
  await store.close();
});

test('what endangers the store is found, and that it takes no writes', async () => {
  const found = async (store: Partial<Store>) => {
    const memory = memoryStore();
    const findings = await checkStore(config, { ...memory, ...store }, now);
    await memory.close();
    return findings.map(({ check, what, repair: { words } }) => ({ check, what, words }));
  };
  assert.deepEqual(await found({}), []);
  assert.deepEqual(
    await found({
      warnings: async () => ['Redis has maxmemory-policy x: it throws keys away; set noeviction'],
      ping: () => Promise.reject(new StoreError('store_unavailable', 'Postgres at db is read only; name the primary')),
    }),
    [
      {
        check: 'store-endangered',
        what: 'Redis has maxmemory-policy x: it throws keys away',
        words: 'For it: set noeviction',
      },
      { check: 'store-endangered', what: 'Postgres at db is read only', words: 'For it: name the primary' },
    ],
  );
});

test('OAuth metadata that says something else than is so is found, and what is true is not', async (t) => {
  let documents: Record<string, unknown> = {};
  const server = createServer((request, response) => {
    const document = documents[request.url ?? ''];
    response.writeHead(document === undefined ? 404 : 200).end(JSON.stringify(document ?? {}));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [embeddings] = config.services;
  assert.ok(embeddings);
  const keyed = { ...embeddings, upstream: `${origin}/behind` };
  const oauth = { ...keyed, accept: ['oauth' as const] };
  const at = '/.well-known/oauth-protected-resource/embeddings';
  const issuer = '/.well-known/oauth-authorization-server';
  const whatOf = async (service: typeof keyed): Promise<string[]> =>
    (await checkOauth(origin, [service])).map(({ what }) => what.replaceAll(origin, 'O'));

  assert.deepEqual(await whatOf(keyed), []);
  documents = {
    [at]: { resource: `${origin}/embeddings`, authorization_servers: [origin] },
    [issuer]: { issuer: origin },
  };
  assert.deepEqual(await whatOf(oauth), []);
  assert.match((await whatOf(keyed)).join(), /OAuth is offered for embeddings, which takes no OAuth token/);
  documents = { ...documents, [issuer]: { issuer: 'https://other.example' } };
  assert.deepEqual(await whatOf(oauth), ['it says that the issuer is "https://other.example", not O']);
  documents = { [at]: { resource: 'http://10.0.0.1/mcp', authorization_servers: [origin] } };
  assert.deepEqual(await whatOf(oauth), ['it says that the resource is "http://10.0.0.1/mcp", not O/embeddings']);
  documents = { '/.well-known/oauth-protected-resource/behind': { resource: 'x' } };
  assert.equal((await whatOf(keyed)).length, 1);
  documents = { [at]: { upstream: true } };
  assert.deepEqual(await whatOf(keyed), []);
});

function stack(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-doctor-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  execFileSync('git', ['init', '--quiet'], { cwd: folder });
  return folder;
}

test('--fix takes the file from others and from git, --dry-run only says so, and a link is not followed', async (t) => {
  const folder = stack(t);
  const outside = mkdtempSync(join(tmpdir(), 'countersign-doctor-'));
  t.after(() => rmSync(outside, { recursive: true, force: true }));
  writeFileSync(join(outside, 'other.env'), 'OTHER_TOKEN=Zk3qPw81mN\n');
  chmodSync(join(outside, 'other.env'), 0o644);
  symlinkSync(join(outside, 'other.env'), join(folder, 'other.env'));
  const file = join(folder, '.env');
  writeFileSync(file, 'SOME_TOKEN=Zk3qPw81mN\n');
  chmodSync(file, 0o664);
  const dry = await cliHere(['doctor', '--fix', '--dry-run'], { cwd: folder });
  assert.equal(dry.code, 1);
  assert.match(dry.stdout, /^would fix {2}\.env: others on this machine can read it \(mode 0664\)$/m);
  assert.equal(statSync(file).mode & 0o777, 0o664);
  assert.match(dry.stderr, /not looked at: keys, clocks, routes and ports: there is no configuration/);

  const fixed = await cliHere(['doctor', '--fix', '--output', 'json'], { cwd: folder });
  const { findings } = JSON.parse(fixed.stdout) as { findings: { check: string; id: string }[] };
  assert.deepEqual(
    findings.map(({ check }) => check),
    ['no-bundle', 'plaintext-secret'],
  );
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(readFileSync(join(folder, '.gitignore'), 'utf8'), '/.env\n');
  assert.equal(statSync(join(outside, 'other.env')).mode & 0o777, 0o644);
});

test('a name with line breaks ends no search, adds no line of its own, and a link is not written through', async (t) => {
  const folder = stack(t);
  const name = 'a\n* * * * * root id\nb*::end.env';
  writeFileSync(join(folder, name), 'SOME_TOKEN=Zk3qPw81mN\n', { mode: 0o600 });
  const outside = mkdtempSync(join(tmpdir(), 'countersign-doctor-'));
  t.after(() => rmSync(outside, { recursive: true, force: true }));
  writeFileSync(join(outside, 'other'), 'theirs\n');
  for (const link of ['.gitignore', '.doctor-accepted']) symlinkSync(join(outside, 'other'), join(folder, link));

  const found = await cliHere(['doctor', '--output', 'json'], { cwd: folder });
  const { findings } = JSON.parse(found.stdout) as { findings: { id: string }[] };
  assert.equal(findings.length, 3);
  for (const args of [['--fix'], ['--accept', findings[0]?.id ?? '']]) {
    const refused = await cliHere(['doctor', ...args], { cwd: folder });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /was left alone: it is a link/);
  }
  assert.equal(readFileSync(join(outside, 'other'), 'utf8'), 'theirs\n');

  rmSync(join(folder, '.gitignore'));
  await cliHere(['doctor', '--fix'], { cwd: folder });
  assert.equal(readFileSync(join(folder, '.gitignore'), 'utf8'), '/a?\\* \\* \\* \\* \\* root id?b\\*::end.env\n');
  execFileSync('git', ['check-ignore', '--quiet', '--', name], { cwd: folder });
});

test('what was accepted is not found again, and only what is found can be accepted', async (t) => {
  const folder = stack(t);
  writeFileSync(join(folder, 'app.ini'), 'password = foobared\n', { mode: 0o600 });
  writeFileSync(join(folder, 'secrets.sops.yaml'), 'sops: { mac: x }\n', { mode: 0o600 });
  const first = await cliHere(['doctor', '--output', 'json'], { cwd: folder });
  const { findings } = JSON.parse(first.stdout) as { findings: { id: string }[] };
  assert.equal(findings.length, 1);
  assert.equal((await cliHere(['doctor', '--accept', '000000000000'], { cwd: folder })).code, 2);
  assert.equal((await cliHere(['doctor', '--accept', findings[0]?.id ?? ''], { cwd: folder })).code, 0);
  const second = await cliHere(['doctor'], { cwd: folder });
  assert.deepEqual([second.code, second.stdout], [0, 'nothing found; 1 accepted\n']);
  assert.doesNotMatch(readFileSync(join(folder, '.doctor-accepted'), 'utf8'), /foobared/);
  assert.equal((await cliHere(['doctor', 'nowhere'], { cwd: folder })).code, 1);
});
