/**
 * Commands on the store itself: no server runs. What is about the program as a program (arguments, standard input, exit codes,
 * files) is shown by the real one; the rest runs in this process, since a start costs some tenths of a second.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../core/clock.ts';
import { tokens } from '../keys/tokens/tokens.ts';
import { sqliteStore } from '../stores/sqlite/store.ts';
import { runCli, type CliResult } from '../../test/e2e/program.ts';
import { cliHere } from '../../test/fixtures/cli-here.ts';

const root = join(import.meta.dirname, '../..');

interface Place {
  readonly folder: string;
  /** The real program. */
  program(args: readonly string[], stdin?: string): Promise<CliResult>;
  /** The same command in this process. */
  cli(args: readonly string[], stdin?: string, env?: Record<string, string>): Promise<CliResult>;
  /** The JSON that the command prints; it must end with 0. */
  json<T>(args: readonly string[], stdin?: string): Promise<T>;
}

const yaml = `store: sqlite:state.db
mode: report
services:
  embeddings:
    upstream: http://127.0.0.1:8081
    routes:
      - { path: /embed, mode: enforce }
`;

function place(t: TestContext, config: string | null = yaml): Place {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-cli-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  if (config !== null) writeFileSync(join(folder, 'countersign.yaml'), config);
  const cli: Place['cli'] = (args, stdin = '', env = {}) => cliHere(args, { cwd: folder, env, stdin });
  return {
    folder,
    cli,
    program: (args, stdin) => runCli(args, { cwd: folder, ...(stdin === undefined ? {} : { stdin }) }),
    async json<T>(args: readonly string[], stdin?: string) {
      const { code, stdout, stderr } = await cli([...args, '--output', 'json'], stdin);
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout) as T;
    },
  };
}

interface KeyView {
  readonly id: string;
  readonly service: string;
  readonly kind: string;
  readonly key?: string;
  readonly expires_at: string | null;
}

test('a key is printed once, in the form that is relied on, and is in no list afterwards', async (t) => {
  const { cli, program, folder } = place(t);
  const first = await program(['keys', 'create', 'aidb', '--expires', '90d', '--output', 'json']);
  assert.equal(first.stderr, '');
  const made = JSON.parse(first.stdout) as KeyView;
  assert.deepEqual(Object.keys(made).sort(), ['expires_at', 'id', 'key', 'kind', 'service']);
  assert.match(made.key ?? '', /^cs_sk_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}$/);
  assert.equal(made.kind, 'sk');
  const days = (Date.parse(made.expires_at ?? '') - Date.now()) / 86_400_000;
  assert.ok(days > 89.9 && days <= 90);

  const human = await program(['keys', 'create', 'aidb', '--kind', 'hs']);
  assert.match(human.stdout, /^cs_hs_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}\n$/);
  assert.equal(human.code, 0);

  const listed = await cli(['keys', 'list']);
  const asJson = await cli(['keys', 'list', '--output', 'json']);
  assert.equal((JSON.parse(asJson.stdout) as KeyView[]).length, 2);
  for (const secret of [made.key ?? '', human.stdout.trim()]) {
    const [, , , ...rest] = secret;
    const inner = rest.join('').slice(14, -4);
    for (const shown of [listed.stdout, asJson.stdout, human.stderr]) assert.equal(shown.includes(inner), false);
    assert.equal(readFileSync(join(folder, 'state.db')).includes(inner), false);
    assert.ok(listed.stdout.includes(secret.slice(-4)));
  }
});

test('an imported key comes from standard input, without the newline at its end', async (t) => {
  const { cli, program } = place(t);
  const secret = '0123456789abcdef'.repeat(4);
  const imported = await program(['keys', 'import', 'aidb', '--kind', 'hs', '--output', 'json'], `${secret}\n`);
  const made = JSON.parse(imported.stdout) as KeyView;
  assert.deepEqual(Object.keys(made).sort(), ['expires_at', 'id', 'kind', 'service']);
  const again = await cli(['keys', 'import', 'aidb', '--kind', 'hs'], secret);
  assert.equal(again.code, 1);
  assert.match(again.stderr, new RegExp(`known already: ${made.id} of aidb`));
  assert.equal((await cli(['keys', 'import', 'aidb', '--kind', 'sk'], '')).code, 2);
  const two = await cli(['keys', 'import', 'aidb', '--kind', 'sk'], `${secret}\n${secret}\n`);
  assert.match(two.stderr, /must be one line/);
  assert.equal(two.stdout + two.stderr.replace(/[^0-9a-f]/g, ''), two.stderr.replace(/[^0-9a-f]/g, ''));
});

test('a key is revoked by its id or whole, and one that is in no record is dead too', async (t) => {
  const { cli, json } = place(t);
  const first = await json<KeyView>(['keys', 'create', 'aidb']);
  const second = await json<KeyView>(['keys', 'create', 'aidb']);
  assert.equal((await cli(['keys', 'revoke', first.id])).code, 0);
  assert.equal((await cli(['keys', 'revoke'], `${second.key}\n`)).code, 0);
  assert.equal((await cli(['keys', 'revoke'], 'f'.repeat(64))).code, 0);
  assert.deepEqual(await json<KeyView[]>(['keys', 'list']), []);
  const all = await json<(KeyView & { state: string })[]>(['keys', 'list', '--all']);
  assert.deepEqual(
    all.map(({ state }) => state),
    ['revoked', 'revoked'],
  );
  const unknown = await cli(['keys', 'revoke', 'aaaaaaaaaa']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /there is no key with the id "aaaaaaaaaa"/);
});

interface TokenView {
  readonly token: string;
  readonly token_id: string;
  readonly expires_at: string;
  readonly ttl_hours: number;
}

test('a token is printed once, in the form that is relied on, shown without it and revoked', async (t) => {
  const { cli, json } = place(t);
  const made = await json<TokenView>([
    'tokens',
    'create',
    '--ttl',
    '8h',
    '--scope',
    'embed:write',
    '--client',
    'alice',
  ]);
  assert.deepEqual(Object.keys(made).sort(), ['expires_at', 'token', 'token_id', 'ttl_hours']);
  assert.equal(made.ttl_hours, 8);
  const list = await cli(['tokens', 'list']);
  assert.ok(list.stdout.includes(made.token_id) && list.stdout.includes('alice') && !list.stdout.includes(made.token));
  const shown = await json<Record<string, unknown>>(['tokens', 'show'], `${made.token}\n`);
  assert.equal(shown['token_id'], made.token_id);
  assert.equal(shown['state'], 'active');
  assert.equal((await cli(['tokens', 'revoke', made.token_id])).code, 0);
  assert.equal((await json<Record<string, unknown>>(['tokens', 'show', made.token_id]))['state'], 'revoked');
  assert.deepEqual(await json(['tokens', 'list']), []);
  const day = await json<TokenView>(['tokens', 'create']);
  assert.equal(day.ttl_hours, 24);
});

test('what a token minted is told of when it is revoked, and revoked by one command', async (t) => {
  const { cli, json, folder } = place(t);
  const minter = await json<TokenView>(['tokens', 'create', '--scope', 'admin:tokens']);
  const other = await json<TokenView>(['tokens', 'create']);
  const store = sqliteStore({ file: join(folder, 'state.db') });
  const life = tokens({ store, clock: systemClock });
  const request = { ttlSeconds: 60, scopes: [], allowedIps: [], clientId: null, metadata: {} };
  for (let count = 0; count < 2; count += 1) await life.mint({ ...request, createdBy: `token:${minter.token_id}` });
  await life.mint({ ...request, createdBy: 'service:aidb' });
  life.close();
  await store.close();

  const revoked = await cli(['tokens', 'revoke', minter.token_id]);
  const next = `countersign tokens revoke --minted-by ${minter.token_id}`;
  assert.ok(revoked.stderr.includes(`It minted 2 tokens that are still alive. If it leaked: ${next}`), revoked.stderr);
  assert.equal((await json<{ live_minted: number }>(['tokens', 'revoke', minter.token_id])).live_minted, 2);
  const dry = await cli(['tokens', 'revoke', '--minted-by', minter.token_id, '--dry-run']);
  assert.equal(dry.stdout.match(/^would revoke {2}token /gm)?.length, 2);
  assert.equal((await json<unknown[]>(['tokens', 'list'])).length, 4);
  assert.equal((await json<unknown[]>(['tokens', 'revoke', '--minted-by', minter.token_id])).length, 2);
  assert.equal((await json<unknown[]>(['tokens', 'revoke', '--minted-by', 'service:aidb'])).length, 1);
  const [left, ...more] = await json<{ token_id: string }[]>(['tokens', 'list']);
  assert.deepEqual([left?.token_id, more], [other.token_id, []]);
  assert.match((await cli(['tokens', 'revoke', '--minted-by', minter.token_id])).stderr, /No token that .* is alive/);
  assert.notEqual((await cli(['tokens', 'revoke', other.token_id, '--minted-by', 'service:aidb'])).code, 0);

  for (const client of ['alice', 'alice', 'bob']) await cli(['tokens', 'create', '--client', client]);
  assert.match((await cli(['tokens', 'revoke', '--client', 'carol'])).stderr, /No token of client carol is alive/);
  assert.equal((await cli(['tokens', 'revoke', '--client', 'alice', '--minted-by', 'service:aidb'])).code, 2);
  assert.equal((await json<unknown[]>(['tokens', 'revoke', '--client', 'alice'])).length, 2);
  const clients = await json<{ client_id: string | null }[]>(['tokens', 'list']);
  assert.deepEqual(
    clients.map(({ client_id: id }) => id),
    ['bob', null],
  );
});

test('--dry-run says what would change and changes nothing', async (t) => {
  const { cli, json } = place(t);
  for (const args of [
    ['keys', 'create', 'aidb'],
    ['tokens', 'create'],
    ['mode', 'set', 'enforce'],
  ]) {
    const { code, stdout } = await cli([...args, '--dry-run']);
    assert.equal(code, 0);
    assert.match(stdout, /^would /);
  }
  assert.deepEqual(await json(['keys', 'list', '--all']), []);
  assert.deepEqual(await json(['tokens', 'list']), []);
  const [stack] = await json<{ mode: string; source: string }[]>(['mode', 'get']);
  assert.deepEqual([stack?.mode, stack?.source], ['report', 'file']);
});

test('modes: the stack, a service, a route, everything, and back to the file', async (t) => {
  const { cli, json } = place(t);
  const says = async (): Promise<string[]> =>
    (await json<{ scope: string; mode: string; source: string }[]>(['mode', 'get'])).map(
      ({ scope, mode, source }) => `${scope}:${mode}:${source}`,
    );
  assert.deepEqual(await says(), [':report:file', 'embeddings/embed:enforce:file']);
  assert.equal((await cli(['mode', 'set', 'off', 'embeddings/embed'])).code, 0);
  assert.equal((await cli(['mode', 'set', 'enforce'])).code, 0);
  assert.deepEqual(await says(), [':enforce:run-time', 'embeddings/embed:off:run-time']);
  assert.equal((await cli(['mode', 'set', 'report', '--all'])).code, 0);
  assert.deepEqual(await says(), [':report:run-time, all levels']);
  assert.equal((await cli(['mode', 'reset', '--all'])).code, 0);
  assert.deepEqual(await says(), [':report:file', 'embeddings/embed:enforce:file']);
  const unknown = await cli(['mode', 'set', 'enforce', 'embedings']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /no service or route "embedings"; known are embeddings/);
});

const faulty = `listen: 127.0.0.1:8700
services:
  embeddings:
    upstream: http://127.0.0.1:8081
    rotues: []
  auth:
    upstream: http://127.0.0.1:8082
`;

test('a name that is nearly one of the configuration gets no key, unless it is meant', async (t) => {
  const { cli, folder, json } = place(t);
  const foreign = '0f1e2d3c4b5a6978'.repeat(4);
  for (const [args, stdin] of [
    [['create', 'embedings'], ''],
    [['create', 'embedings', '--dry-run'], ''],
    [['import', 'embedings', '--kind', 'sk'], foreign],
  ] as const) {
    const refused = await cli(['keys', ...args], stdin);
    assert.equal(refused.code, 1);
    assert.equal(refused.stdout, '');
    assert.match(
      refused.stderr,
      /neither a service nor a caller.*did you mean "embeddings"\?[^]*callers: \[embedings\]/,
    );
  }
  assert.deepEqual(await json(['keys', 'list', '--all']), []);
  for (const kin of ['embeddings-2', 'laptop', 'embedding']) {
    const made = await cli(['keys', 'create', kin]);
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stderr, /is neither a service nor a caller of the configuration: add it to `callers:`/);
  }
  assert.doesNotMatch((await cli(['keys', 'create', 'embeddings'])).stderr, /neither/);
  writeFileSync(join(folder, 'countersign.yaml'), `callers: [embedings]\n${yaml}`);
  assert.equal((await cli(['keys', 'create', 'embedings'])).code, 0);
  // Whoever has a key is known.
  writeFileSync(join(folder, 'countersign.yaml'), yaml);
  assert.equal((await cli(['keys', 'create', 'embedings'])).code, 0);
});

test('a caller that only a rule names gets its key', async (t) => {
  const { cli } = place(t, yaml.replace('mode: enforce }', "mode: enforce, callers: [embeding, 'client:desk'] }"));
  const made = await cli(['keys', 'create', 'embeding']);
  assert.equal(made.code, 0);
  assert.doesNotMatch(made.stderr, /neither/);
  const near = await cli(['keys', 'create', 'client-desk']);
  assert.equal(near.code, 0, 'no key is for an OAuth client, whatever it is called');
});

test('a name that the configuration does not know is questioned', async (t) => {
  const { cli } = place(t);
  const mode = await cli(['mode', 'get', 'embedings']);
  assert.equal(mode.code, 1);
  assert.match(mode.stderr, /Did you mean "embeddings"\?/);
  assert.equal((await cli(['mode', 'set', 'enforce', 'embeddings/embed', '--dry-run'])).code, 0);
  assert.equal((await cli(['mode', 'set', 'enforce', 'embedings', '--dry-run'])).code, 1);
});

test('validate and serve refuse a bad configuration alike, with file, line, column and a remedy', async (t) => {
  const { cli, program, folder } = place(t, faulty);
  const file = join(folder, 'countersign.yaml');
  const validated = await program(['validate']);
  assert.equal(validated.code, 1);
  const [first, second] = validated.stdout.split('\n');
  assert.match(first ?? '', new RegExp(`^${file}:5:5: .*rotues.* — .*routes`));
  assert.match(second ?? '', new RegExp(`^${file}:6:3: .*auth.* — `));
  const served = await program(['serve']);
  assert.equal(served.code, 1);
  assert.ok(served.stderr.includes(`${file}:5:5: `));
  const asJson = await cli(['validate', '--output', 'json']);
  const { valid, faults } = JSON.parse(asJson.stdout) as { valid: boolean; faults: { line: number; column: number }[] };
  assert.equal(valid, false);
  assert.deepEqual([faults[0]?.line, faults[0]?.column], [5, 5]);
});

test('without a configuration every command says to run init', async (t) => {
  const { cli } = place(t, null);
  for (const args of [['serve'], ['validate'], ['keys', 'list'], ['status']]) {
    const { code, stderr } = await cli(args);
    assert.equal(code, 1);
    assert.match(stderr, /there is no configuration at .*countersign\.yaml\n {2}Write one with `countersign init`/);
  }
});

test('init writes what serve takes, for its owner only, and overwrites nothing', async (t) => {
  const { cli, program, folder } = place(t, null);
  mkdirSync(join(folder, '.git'));
  writeFileSync(join(folder, '.gitignore'), 'node_modules');
  const before = process.umask(0);
  const first = await program(['init', '--admin-token', '--name', 'lab']).finally(() => process.umask(before));
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /AUTH_ADMIN_TOKEN_FILE=\.countersign\/admin_token countersign serve/);
  // Whoever may write it may open every service, so the umask has no say in that.
  assert.equal(statSync(join(folder, 'countersign.yaml')).mode & 0o022, 0);
  assert.equal(statSync(join(folder, '.countersign')).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, '.countersign/admin_token')).mode & 0o777, 0o600);
  const token = readFileSync(join(folder, '.countersign/admin_token'), 'utf8').trim();
  assert.match(token, /^cs_ad_/);
  assert.equal((first.stdout + first.stderr).includes(token), false);
  assert.equal(readFileSync(join(folder, '.gitignore'), 'utf8'), 'node_modules\n.countersign/\n');
  assert.equal((await cli(['validate'])).code, 0);

  writeFileSync(join(folder, 'countersign.yaml'), `# mine\n${yaml}`);
  const second = await cli(['init']);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /exists already and was left alone/);
  assert.match(readFileSync(join(folder, 'countersign.yaml'), 'utf8'), /^# mine/);
  const dry = await cli(['init', '--force', '--dry-run', '--output', 'json']);
  assert.equal(JSON.parse(dry.stdout).backup, null);
  const forced = await cli(['init', '--force']);
  assert.equal(forced.code, 0);
  const kept = readdirSync(folder).filter((name) => name.startsWith('countersign.yaml.before-init-'));
  assert.equal(kept.length, 1);
  assert.equal(readFileSync(join(folder, kept[0] ?? ''), 'utf8'), `# mine\n${yaml}`);
  assert.ok(forced.stderr.includes(join(folder, kept[0] ?? '')), forced.stderr);
  assert.doesNotMatch(readFileSync(join(folder, 'countersign.yaml'), 'utf8'), /# mine/);
  assert.equal(readFileSync(join(folder, '.countersign/admin_token'), 'utf8').trim(), token);
  assert.equal(readFileSync(join(folder, '.gitignore'), 'utf8'), 'node_modules\n.countersign/\n');
});

test('status is 0 when all is in order and 1 when a key ends soon without a successor', async (t) => {
  const { cli, json } = place(t);
  assert.equal((await json<{ wanting: string[] }>(['status'])).wanting.length, 0);
  await json(['keys', 'create', 'aidb', '--expires', '2d']);
  const wanting = await cli(['status']);
  assert.equal(wanting.code, 1);
  assert.match(
    wanting.stdout,
    /key \w{10} of aidb ends in (?:2d|1d 23h) and has no successor: countersign keys rotate \w{10}$/m,
  );
  await json(['keys', 'create', 'aidb']);
  assert.equal((await cli(['status'])).code, 0);
});

test('validate says what stops or worries serve besides the file: the environment and key files', async (t) => {
  const { cli } = withKeyFile(t, 0o640);
  const plain = await cli(['validate']);
  assert.equal(plain.code, 0);
  assert.match(plain.stderr, /aidb\.env: group or others can read.*chmod 600/);
  const weak = await cli(['validate'], '', { AUTH_ADMIN_TOKEN: 'admin' });
  assert.match(weak.stderr, /AUTH_ADMIN_TOKEN has only 5 characters/);
  const none = await cli(['validate'], '', { AUTH_ENABLED: 'true' });
  assert.equal(none.code, 1);
  assert.match(none.stdout, /AUTH_ENABLED=true needs an admin token/);
});

test('status counts the keys in files, and names a file that is not used', async (t) => {
  const { cli, file } = withKeyFile(t, 0o640);
  const unused = await cli(['status']);
  assert.equal(unused.code, 1);
  assert.match(unused.stdout, /; 0 in files\n[^]*wanting .*aidb\.env: group or others can read/);
  chmodSync(file, 0o600);
  const used = await cli(['status']);
  assert.equal(used.code, 0, used.stdout);
  assert.match(used.stdout, /; 1 in files\n/);
});

test('a captured request is compared with the keys in files too, and a .env says whose key it is', async (t) => {
  const { cli, file, folder } = withKeyFile(t, 0o600);
  const signed = await cli(['sign', '--key-file', file, 'GET', '/embeddings/embed']);
  assert.equal(signed.code, 0, signed.stderr);
  assert.match(signed.stdout, /^X-Service-ID: aidb$/m);
  const captured = join(folder, 'captured');
  writeFileSync(captured, `GET /embeddings/embed HTTP/1.1\n${signed.stdout}`);
  const right = await cli(['sign', '--received', captured]);
  assert.match(right.stdout, /The signature is right/);
  writeFileSync(captured, `GET /embeddings/embed/ HTTP/1.1\n${signed.stdout}`);
  const wrong = await cli(['sign', '--received', captured]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stdout, /First difference: .*slash/);
});

test('a signature with an API key is warned of: nobody could verify it', async (t) => {
  const { cli } = place(t);
  const { stdout: key } = await cli(['keys', 'create', 'aidb']);
  const { stderr } = await cli(['sign', '--service', 'aidb', 'GET', '/embeddings/embed'], key);
  assert.match(stderr, /this is an API key.*--kind hs/);
});

/** A stack that reads aidb's HMAC secret from a .env file of that mode. */
function withKeyFile(t: TestContext, mode: number): Place & { readonly file: string } {
  const made = place(t, `${yaml}keys:\n  - envFiles: keys/*.env\n`);
  mkdirSync(join(made.folder, 'keys'), { mode: 0o700 });
  const file = join(made.folder, 'keys/aidb.env');
  writeFileSync(file, `SERVICE_ID=aidb\nSERVICE_KEY=${'0f1e2d3c4b5a6978'.repeat(4)}\n`);
  chmodSync(file, mode);
  return { ...made, file };
}

test('a store that cannot be reached is 3', async (t) => {
  const { program, folder } = place(t);
  mkdirSync(join(folder, 'state.db'));
  const { code, stderr } = await program(['keys', 'list']);
  assert.equal(code, 3, stderr);
  assert.equal(stderr.includes('    at '), false, stderr);
});

test('a report of nothing has its totals at the top', async (t) => {
  const { json } = place(t);
  const report = await json<Record<string, unknown>>(['report', '--since', '1h']);
  assert.deepEqual(
    ['requests', 'allowed', 'denied', 'would_deny', 'public'].map((name) => report[name]),
    [0, 0, 0, 0, 0],
  );
});

test('the program is found through symlinks and from any folder', async (t) => {
  const { folder } = place(t, null);
  symlinkSync(join(root, 'bin/countersign'), join(folder, 'first'));
  mkdirSync(join(folder, 'bin'));
  symlinkSync('../first', join(folder, 'bin/second'));
  const { stdout, status } = spawnSync(join(folder, 'bin/second'), ['--version'], { cwd: '/', encoding: 'utf8' });
  assert.equal(status, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

test('a checkout without its packages says what to run', async (t) => {
  const { folder } = place(t, null);
  mkdirSync(join(folder, 'bin'));
  cpSync(join(root, 'bin/countersign'), join(folder, 'bin/countersign'));
  const { status, stderr } = spawnSync(join(folder, 'bin/countersign'), ['--version'], { encoding: 'utf8' });
  assert.match(stderr, /run `npm ci` in \/.*, which brings it along/);
  assert.equal(status, 1);
});
