/** The commands about the life of a key, on the store itself: in this process, since a start costs some tenths of a second. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { KeyUse } from '../../../core/credential.ts';
import { sha256Hex } from '../../../crypto/digest.ts';
import { decisionRow } from '../../../stores/store.fixtures.ts';
import { sqliteStore } from '../../../stores/sqlite/store.ts';
import type { Store } from '../../../core/store.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

interface Shown {
  readonly id: string;
  readonly service: string;
  readonly kind: string;
  readonly key: string;
  readonly expires_at: string | null;
  readonly state: string;
  readonly stage: string | null;
  readonly replaces: string | null;
  readonly last_used: { at: string; by: string; from: string } | null;
}

const services = `services:
  embeddings:
    upstream: http://127.0.0.1:8081
    routes:
      - { path: /health, access: public }
      - { path: /embed, methods: [POST], callers: [aidb], scopes: [embed:write] }
      - { path: /internal/*, callers: [web] }
`;

function place(t: TestContext, more = '') {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-life-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'countersign.yaml'), `store: sqlite:state.db\ncallers: [aidb, web]\n${more}${services}`);
  const cli = (args: readonly string[], stdin = '', gone = false) => cliHere(args, { cwd: folder, stdin, gone });
  return {
    folder,
    cli,
    async json<T>(args: readonly string[], stdin = '', code = 0): Promise<T> {
      const ended = await cli([...args, '--output', 'json'], stdin);
      assert.equal(ended.code, code, ended.stderr);
      return JSON.parse(ended.stdout) as T;
    },
    async stages(): Promise<Record<string, string | null>> {
      const ended = await cli(['keys', 'list', '--all', '--output', 'json']);
      return Object.fromEntries((JSON.parse(ended.stdout) as Shown[]).map(({ id, stage }) => [id, stage]));
    },
    async withStore(work: (store: Store) => Promise<unknown>): Promise<void> {
      const store = sqliteStore({ file: join(folder, 'state.db') });
      await store.migrate();
      await work(store);
      await store.close();
    },
  };
}

function useOf(credentialId: string, agoSeconds: number, details: Partial<KeyUse> = {}): KeyUse {
  const time = Date.now() / 1000 - agoSeconds;
  const base = { caller: 'service:aidb', clientAddress: '10.0.0.7', firstUsed: time, lastUsed: time, count: 1 };
  return { credentialId, ...base, ...details };
}

test('a rotated key is printed once, both count, and the list says who used the old one last and from where', async (t) => {
  const { cli, json, stages, withStore } = place(t);
  const old = await json<Shown>(['keys', 'create', 'aidb', '--scope', 'embed:write', '--expires', '90d']);
  await withStore((store) => store.usage.add([useOf(old.id, 3 * 3600 + 60)]));
  const { stdout, stderr, code } = await cli(['keys', 'rotate', 'aidb', '--grace', '48h']);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^cs_sk_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}\n$/);
  assert.match(stderr, /the old one was last used 3 h ago by aidb from 10\.0\.0\.7/);
  const id = stdout.slice(6, 16);
  assert.deepEqual(await stages(), { [old.id]: 'previous', [id]: 'current' });
  const list = await json<Shown[]>(['keys', 'list']);
  const [first, second] = list;
  assert.deepEqual([second?.replaces, second?.last_used], [old.id, null]);
  assert.deepEqual([first?.last_used?.by, first?.last_used?.from], ['service:aidb', '10.0.0.7']);
  const hours = (Date.parse(first?.expires_at ?? '') - Date.now()) / 3_600_000;
  assert.ok(hours > 47.9 && hours <= 48);
  const days = (Date.parse(second?.expires_at ?? '') - Date.now()) / 86_400_000;
  assert.ok(days > 89.9 && days <= 90, 'the new one lives as long as the old one was meant to');
  const text = await cli(['keys', 'list']);
  assert.match(
    text.stdout,
    new RegExp(`${old.id} .* previous, ends in (?:2d|1d 23h) +3 h ago by aidb from 10\\.0\\.0\\.7`),
  );
  assert.match(text.stderr, new RegExp(`old key ${old.id} of aidb last used 3 h ago by aidb from 10\\.0\\.0\\.7`));
  assert.ok(!(text.stdout + text.stderr).includes(stdout.slice(17, 60)));
});

test('a second rotation is refused with what to do, until the first is over or its key was lost', async (t) => {
  const { cli, json, stages, withStore } = place(t);
  const old = await json<Shown>(['keys', 'create', 'aidb']);
  const first = await json<Shown & { replaces: { id: string; ends_at: string } }>(['keys', 'rotate', old.id]);
  assert.equal(first.replaces.id, old.id);
  const again = await cli(['keys', 'rotate', 'aidb']);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /the last rotation is not over.*\n.*keys retire .*--anew/);
  assert.match((await cli(['keys', 'rotate', old.id])).stderr, new RegExp(`the current one is ${first.id}`));
  const lost = await cli(['keys', 'rotate', 'aidb', '--anew', '--output', 'json']);
  assert.equal(lost.code, 0, lost.stderr);
  const second = JSON.parse(lost.stdout) as Shown;
  assert.deepEqual(await stages(), { [old.id]: 'previous', [first.id]: 'previous', [second.id]: 'current' });
  for (const id of [old.id, first.id]) {
    await withStore(async (store) => assert.ok((await store.keys.get(id))?.expiresAt, `${id} ends`));
    assert.equal((await cli(['keys', 'retire', id])).code, 0);
  }
  assert.equal((await cli(['keys', 'rotate', 'aidb'])).code, 0, 'when it is over, the next may begin');
});

test('in place of a key that was lost another is made, and who still uses the one before is said', async (t) => {
  const { cli, json, withStore } = place(t);
  const old = await json<Shown>(['keys', 'create', 'aidb']);
  await withStore((store) => store.usage.add([useOf(old.id, 60)]));
  await cli(['keys', 'rotate', 'aidb'], '', true);
  const { code, stderr } = await cli(['keys', 'rotate', 'aidb', '--anew']);
  assert.equal(code, 0, stderr);
  assert.match(
    stderr,
    new RegExp(`Key ${old.id}, which that one replaced, ends with it; it was last used .* ago by aidb`),
  );
});

test('a key that reached nobody stays pending, and the old one as it was', async (t) => {
  const { cli, json, stages, withStore } = place(t);
  const old = await json<Shown>(['keys', 'create', 'aidb']);
  const broken = await cli(['keys', 'rotate', 'aidb'], '', true);
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /reached nobody, and the old one stays as it was\n.*--anew/);
  const [pending] = Object.entries(await stages()).find(([, stage]) => stage === 'pending') ?? assert.fail();
  await withStore(async (store) => assert.equal((await store.keys.get(old.id))?.expiresAt, null));
  const refused = await cli(['keys', 'rotate', 'aidb']);
  assert.match(refused.stderr, new RegExp(`is being replaced since .*${pending}.*\\n.*--finish.*--anew`));
  assert.match((await cli(['status'])).stdout, /all in order/, 'it may be on its way');

  await withStore((store) => store.usage.add([useOf(pending, 60)]));
  assert.match((await cli(['keys', 'rotate', 'aidb', '--anew'])).stderr, /is in use already.*\n.*--finish/);
  const finished = await cli(['keys', 'rotate', 'aidb', '--finish']);
  assert.equal(finished.code, 0, finished.stderr);
  assert.deepEqual(await stages(), { [old.id]: 'previous', [pending]: 'current' });
});

test('into a file: verified there, the same when done twice, and never over another key', async (t) => {
  const { cli, json, folder, stages } = place(t);
  const file = join(folder, 'aidb.key');
  const old = await json<Shown>(['keys', 'create', 'aidb']);
  writeFileSync(file, `${old.key}\n`, { mode: 0o600 });
  const done = await json<Shown & { already: boolean }>(['keys', 'rotate', 'aidb', '--to', file]);
  assert.deepEqual([done.already, done.key], [false, undefined]);
  const written = readFileSync(file, 'utf8');
  assert.equal(written.slice(6, 16), done.id);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = await json<Shown & { already: boolean }>(['keys', 'rotate', 'aidb', '--to', file]);
  assert.deepEqual([again.already, again.id, readFileSync(file, 'utf8')], [true, done.id, written]);
  assert.deepEqual(await stages(), { [old.id]: 'previous', [done.id]: 'current' });

  const other = await json<Shown>(['keys', 'create', 'aidb', '--kind', 'hs']);
  const taken = await cli(['keys', 'rotate', other.id, '--to', file]);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /holds another key of aidb, which its caller would lose/);
  chmodSync(file, 0o644);
  const open = await cli(['keys', 'rotate', done.id, '--to', file]);
  assert.match(open.stderr, /chmod 600/);
  assert.equal(Object.keys(await stages()).length, 3);
});

test('what is due goes where the configuration says; what nobody says is left, and said', async (t) => {
  const { cli, json, folder, withStore } = place(t, 'rotateEvery: 90d\ndeliver: { aidb: { envFile: aidb.env } }\n');
  const old = await json<Shown>(['keys', 'create', 'aidb', '--kind', 'hs']);
  const undelivered = await json<Shown>(['keys', 'create', 'web']);
  assert.match((await cli(['keys', 'rotate', '--due'])).stderr, /Nothing is due/);
  const age = 91 * 86_400;
  // As if they had been made then: the store has no verb to change the past.
  await withStore(async (store) => {
    const records = await store.keys.list();
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(join(folder, 'state.db'));
    for (const { id, createdAt } of records)
      database.prepare('UPDATE countersign_keys SET created_at = ? WHERE id = ?').run(createdAt - age, id);
    database.close();
  });
  const status = await cli(['status']);
  assert.equal(status.code, 1);
  assert.match(status.stdout, new RegExp(`key ${undelivered.id} of web, made 91 days ago, is due to be replaced`));
  assert.match(status.stdout, new RegExp(`key ${old.id} of aidb, made 91 days ago, is overdue`));
  const dry = await cli(['keys', 'rotate', '--due', '--dry-run']);
  assert.equal(dry.stdout.match(/^would rotate {2}key /gm)?.length, 2);
  const duties = await json<{ done: string; id: string; replaced_by: string }[]>(['keys', 'rotate', '--due'], '', 1);
  assert.deepEqual(duties.map(({ done, id }) => [done, id]).sort(), [
    ['due', undelivered.id],
    ['rotated', old.id],
  ]);
  const text = readFileSync(join(folder, 'aidb.env'), 'utf8');
  assert.match(
    text,
    new RegExp(`^SERVICE_ID=aidb\\nSERVICE_KEY=cs_hs_${duties.find(({ done }) => done === 'rotated')?.replaced_by}_`),
  );
  const deliver = await cli(['keys', 'rotate', 'web', '--deliver']);
  assert.match(deliver.stderr, /does not say where web reads its key\n.*deliver: \{ web: /);
});

test('a key is retired only when nobody uses it any more, or given another end', async (t) => {
  const { cli, json, withStore } = place(t);
  const old = await json<Shown>(['keys', 'create', 'aidb']);
  const early = await cli(['keys', 'retire', old.id]);
  assert.equal(early.code, 1);
  assert.match(early.stderr, /is the current one of aidb, and nothing replaces it/);
  await json<Shown>(['keys', 'rotate', 'aidb']);
  await withStore((store) => store.usage.add([useOf(old.id, 120)]));
  const used = await cli(['keys', 'retire', old.id]);
  assert.match(used.stderr, /was last used 2 min ago by aidb from 10\.0\.0\.7\n.*--force/);
  assert.match((await cli(['keys', 'retire', old.id, '--in', '7d'])).stdout, /^ends {2}key .* \(in 7d\)/);
  assert.match((await cli(['keys', 'retire', old.id, '--unused-for', '60s', '--dry-run'])).stdout, /^would retire/);
  assert.equal((await cli(['keys', 'retire', old.id, '--unused-for', '60s'])).code, 0);
  const gone = (await json<Shown[]>(['keys', 'list', '--all'])).find(({ id }) => id === old.id);
  assert.deepEqual([gone?.state, gone?.stage], ['revoked', null]);
  assert.match((await cli(['keys', 'retire', old.id, '--in', '7d'])).stderr, /was revoked, which is for good/);
  assert.equal((await cli(['keys', 'retire', 'aaaaaaaaaa'])).code, 1);
});

interface Leak {
  readonly what: string;
  readonly state: string;
  readonly principal: string | null;
  readonly could_reach: { service: string; path: string; from: string[] | null }[];
  readonly administers: string[];
  readonly did_reach: { route: string; from: string; count: number; outcome: string }[];
  readonly used_from: { from: string; count: number }[];
  readonly end_with: string | null;
}

test('of a leaked key it says what it opens, what it did, and the command that ends it', async (t) => {
  const { cli, json, withStore } = place(t);
  const key = await json<Shown>(['keys', 'create', 'aidb', '--scope', 'embed:write', '--scope', 'metrics:read']);
  const time = Date.now() / 1000 - 60;
  await withStore(async (store) => {
    const row = { principal: 'service:aidb', credentialId: key.id, route: '/embed' };
    await store.decisions.append([
      decisionRow(1, { ...row, time }),
      decisionRow(2, { ...row, time: time + 1, clientAddress: '203.0.113.9' }),
      decisionRow(3, { ...row, time: time + 2, clientAddress: '203.0.113.9' }),
      decisionRow(4, { time, credentialId: 'another' }),
    ]);
    await store.usage.add([useOf(key.id, 58, { clientAddress: '203.0.113.9', count: 2 })]);
  });
  const leak = await json<Leak>(['keys', 'leak', `cs_sk_${key.id}`], '', 1);
  assert.deepEqual([leak.state, leak.principal, leak.administers], ['active', 'service:aidb', ['metrics:read']]);
  assert.deepEqual(
    leak.could_reach.map(({ service, path }) => service + path),
    ['embeddings/embed', 'embeddings/*'],
  );
  assert.deepEqual(
    leak.did_reach.map(({ route, from, count }) => [route, from, count]),
    [
      ['/embed', '203.0.113.9', 2],
      ['/embed', '10.0.0.7', 1],
    ],
  );
  assert.deepEqual(
    leak.used_from.map(({ from, count }) => [from, count]),
    [['203.0.113.9', 2]],
  );
  assert.equal(leak.end_with, `countersign keys revoke ${key.id}`);
  const text = await cli(['keys', 'leak'], `2027-01-01 some log line with ${key.key} in it\nand more\n`);
  assert.equal(text.code, 1);
  assert.match(
    text.stdout,
    /It opens\n {2}embeddings\/embed {2}POST\n[^]*It was used\n[^]*203\.0\.113\.9[^]*End it\n {2}countersign keys revoke/,
  );
  assert.ok(!text.stdout.includes(key.key.slice(17, 60)));
  assert.equal((await cli(['keys', 'revoke', key.id])).code, 0);
  const dead = await json<Leak>(['keys', 'leak', key.id]);
  assert.deepEqual([dead.state, dead.end_with], ['revoked', null]);
});

test('tokens, foreign keys, key files and private keys are known by the secret, and secrets are refused as arguments', async (t) => {
  const { cli, json, folder } = place(t, 'keys: [{ files: "*_api_key" }]\n');
  const token = await json<{ token: string; token_id: string }>(['tokens', 'create', '--scope', 'admin:tokens']);
  const ofToken = await json<Leak>(['keys', 'leak'], token.token, 1);
  assert.equal(ofToken.end_with, `countersign tokens revoke ${token.token_id}`);
  assert.deepEqual(ofToken.administers, ['admin:tokens']);
  assert.deepEqual(await json<Leak>(['keys', 'leak', token.token_id], '', 1), ofToken);

  const foreign = '0123456789abcdef'.repeat(4);
  const imported = await json<Shown>(['keys', 'import', 'web', '--kind', 'hs'], foreign);
  const ofForeign = await json<Leak>(['keys', 'leak'], foreign, 1);
  assert.equal(ofForeign.end_with, `countersign keys revoke ${imported.id}`);
  assert.ok(ofForeign.could_reach.some(({ path }) => path === '/internal/*'));

  const shared = 'fedcba9876543210'.repeat(4);
  writeFileSync(join(folder, 'embeddings_api_key'), shared, { mode: 0o600 });
  const ofFile = await json<Leak>(['keys', 'leak'], shared, 1);
  assert.deepEqual([ofFile.principal, ofFile.state], ['holder:embeddings', 'active']);
  assert.equal((await cli(['keys', 'revoke'], shared)).code, 0);
  assert.equal((await json<Leak>(['keys', 'leak', 'file:embeddings_api_key'])).state, 'revoked');

  const pair = await json<Shown>(['keys', 'create', 'web', '--kind', 'ed25519']);
  assert.equal((await json<Leak>(['keys', 'leak'], pair.key, 1)).end_with, `countersign keys revoke ${pair.id}`);

  const argued = await cli(['keys', 'leak', foreign]);
  assert.deepEqual([argued.code, argued.stdout], [2, '']);
  assert.ok(!argued.stderr.includes(foreign));
  assert.match((await cli(['keys', 'leak'], 'a'.repeat(40))).stderr, /no key and no token of this stack/);
  // What is masked or cut off says whose it was all the same.
  for (const text of [`a line with cs_hs_${imported.id}_… in it`, `two\nlines, cs_hs_${imported.id}`]) {
    const masked = await cli(['keys', 'leak'], text);
    assert.equal(masked.code, 1);
    assert.ok(masked.stderr.includes(`countersign keys leak cs_hs_${imported.id}\n`), masked.stderr);
  }
  assert.equal((await cli(['keys', 'leak', 'aaaaaaaaaa'])).code, 1);
});

test('an export has digests and uses of every key, and no secret in any form', async (t) => {
  const { json, cli, withStore } = place(t);
  const first = await json<Shown>(['keys', 'create', 'aidb']);
  const second = await json<Shown>(['keys', 'create', 'aidb', '--kind', 'hs']);
  const third = await json<Shown>(['keys', 'create', 'aidb', '--kind', 'ed25519']);
  await withStore((store) => store.usage.add([useOf(first.id, 5)]));
  await cli(['keys', 'revoke', second.id]);
  const { stdout } = await cli(['keys', 'export']);
  const { keys, revoked_digests: revoked } = JSON.parse(stdout) as {
    keys: (Shown & { digest: string; public_key?: string; uses: { from: string }[] })[];
    revoked_digests: string[];
  };
  assert.equal(keys.length, 3);
  const of = (shown: Shown) => keys.find(({ id }) => id === shown.id);
  assert.equal(of(first)?.digest, sha256Hex(first.key));
  assert.deepEqual(
    of(first)?.uses.map(({ from }) => from),
    ['10.0.0.7'],
  );
  assert.deepEqual(revoked, [sha256Hex(second.key)]);
  assert.match(of(third)?.public_key ?? '', /BEGIN PUBLIC KEY/);
  await withStore(async (store) => {
    for (const { material, kind } of await store.keys.list())
      if (kind === 'hs') assert.ok(material && !stdout.includes(material), 'sealed secrets stay in the store');
  });
  for (const { key } of [first, second, third]) assert.ok(!stdout.includes(key.slice(20, 50)));
});

test('what would be revoked is looked up, so that a slip is told before it counts', async (t) => {
  const { cli, json } = place(t);
  const { id, key } = await json<Shown>(['keys', 'create', 'aidb']);
  const dry = (...args: string[]) => ['keys', 'revoke', ...args, '--dry-run'];
  assert.equal((await cli(dry(), key)).stdout, `would revoke  key ${id} of aidb\n`);
  assert.deepEqual(await json(dry(id)), { dry_run: true, id, service: 'aidb' });
  const cut = await cli(dry(), key.slice(0, -1));
  assert.equal(cut.code, 1);
  assert.match(cut.stderr, /cut off or mistyped/);
  assert.equal((await cli(dry(), 'ab'.repeat(16))).stdout, 'would revoke  a key that is in no record of the store\n');
  assert.doesNotMatch((await cli(['keys', 'list', '--all'])).stdout, /revoked/);
});

test('where nothing is enforced, revoking says that requests with the key still pass', async (t) => {
  for (const [mode, words] of [
    ['report', /requests with it pass as those without a key do: countersign mode get/],
    ['enforce', /^$/],
  ] as const) {
    const { cli, json } = place(t, `mode: ${mode}\n`);
    const { id } = await json<Shown>(['keys', 'create', 'aidb']);
    assert.match((await cli(['keys', 'revoke', id])).stderr, words);
  }
});
