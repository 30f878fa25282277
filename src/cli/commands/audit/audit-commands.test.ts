import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';
import { recordAct } from '../../../audit/chain/link.ts';
import { sealer } from '../../../audit/chain/sealer.ts';
import { sqliteStore } from '../../../stores/sqlite/store.ts';
import { decisionRow } from '../../../stores/store.fixtures.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-audit-'));
  await writeFile(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\nservices:\n  embeddings:\n    upstream: http://127.0.0.1:9\n',
  );
});
after(() => rm(folder, { recursive: true }));

const say = (...args: string[]) => cliHere(args, { cwd: folder });

async function events(...filter: string[]) {
  const { stdout } = await say('audit', 'tail', '--events', '--output', 'json', ...filter);
  return stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map(
      (line) => JSON.parse(line) as { type: string; actor: string; subject: string; reason: string; detail: object },
    );
}

test('what is done by command line is in the audit, with who, what and why, and a dry run is not', async () => {
  const made = JSON.parse((await say('keys', 'create', 'aidb', '--output', 'json')).stdout) as {
    id: string;
    key: string;
  };
  await say('mode', 'set', 'report', 'embeddings', '--reason', 'INC-7');
  await say('mode', 'set', 'off', '--dry-run');
  assert.match((await say('mode', 'get')).stdout, /embeddings .* by cli:\S+$/m);
  await say('tokens', 'create', '--scope', 'embed:write');
  await say('routes', 'publish');
  await say('keys', 'revoke', made.id, '--reason', 'leaked');
  await say('mode', 'reset', '--all');
  const found = await events();
  assert.deepEqual(
    found.map(({ type, reason }) => `${type} ${reason}`.trim()),
    ['key.created', 'mode.set INC-7', 'token.created', 'routes.published', 'key.revoked leaked', 'mode.reset'],
  );
  assert.deepEqual(
    [found[0]?.subject, found[1]?.subject, found[1]?.detail],
    [made.id, 'embeddings', { mode: 'report' }],
  );
  assert.ok(found.every(({ actor }) => /^cli:\S+$/.test(actor)));
  assert.ok(!JSON.stringify(found).includes(made.key.slice(17)));
  assert.deepEqual((await events('--type', 'mode.set')).length, 1);
  assert.deepEqual((await events('--actor', 'cli:nobody')).length, 0);
  assert.match((await say('audit', 'tail', '--events', '-n', '1')).stdout, /mode\.reset .*cli:/);
  assert.equal((await say('audit', 'tail', '--events', '--route', '/x')).code, 2);
});

test('an audit is verified in the store and as an export, against a signed head, and elsewhere by its public key', async () => {
  const store = sqliteStore({ file: join(folder, 'state.db') });
  await store.decisions.append([1, 2, 3].map((number) => decisionRow(number, { time: Date.now() / 1000 })));
  const self = { id: 'server:here', via: 'server', from: 'here' } as const;
  const retain = { seconds: 86_400, rows: 1000 };
  const clock = () => Date.now() / 1000;
  const work = sealer({ ...store, clock, self, retain, retainEvents: retain });
  await work.seal();
  await work.note();
  await store.close();

  const head = join(folder, 'head.json');
  assert.equal((await say('audit', 'head', '--out', head)).code, 0);
  assert.equal((await stat(join(folder, '.countersign/audit.key'))).mode & 0o777, 0o600);
  const verified = await say('audit', 'verify', '--head', head, '--output', 'json');
  assert.equal(verified.code, 0, verified.stdout);
  const { events: links, seals, decisions } = JSON.parse(verified.stdout);
  assert.deepEqual([links.count, seals.count, decisions], [7, 1, { verified: 3, removed: 0, unsealed: 0 }]);

  const file = join(folder, 'audit.jsonl');
  assert.equal((await say('audit', 'export', '--out', file)).code, 0);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await say('audit', 'export', '--out', file)).code, 1, 'none is written over');
  const publicKey = join(folder, 'audit.pub');
  await writeFile(publicKey, (JSON.parse(await readFile(head, 'utf8')) as { public_key: string }).public_key);
  const elsewhere = ['audit', 'verify', '--from', file, '--head', head, '--key', publicKey];
  assert.equal((await cliHere(elsewhere, { cwd: tmpdir() })).code, 0);
  const withoutKey = await cliHere(elsewhere.slice(0, -2), { cwd: join(folder, '.countersign') });
  assert.equal(withoutKey.code, 1);
  assert.match(withoutKey.stderr, /whose signature is it\? Name the public key with --key FILE\n.*-pubout/);

  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  const tampered: [RegExp, string[]][] = [
    [/^missing +events: link 2 is missing$/m, lines.toSpliced(1, 1)],
    [/^truncated +events: /m, lines.toSpliced(6, 1)],
    [/^changed +events: link 2 was changed/m, lines.with(1, lines[1]?.replace('INC-7', 'INC-8') ?? '')],
    [
      /^changed +decisions: decision 2 was changed$/m,
      lines.with(lines.length - 2, lines.at(-2)?.replace('allow', 'public') ?? ''),
    ],
    [/^missing +decisions: decision 3 is missing$/m, lines.slice(0, -1)],
    [/^reordered +events: /m, lines.toSpliced(2, 2, lines[3] ?? '', lines[2] ?? '')],
  ];
  for (const [finding, changed] of tampered) {
    await writeFile(file, `${changed.join('\n')}\n`);
    const { code, stdout } = await cliHere(elsewhere, { cwd: tmpdir() });
    assert.match(stdout, finding);
    assert.equal(code, 1);
  }
});

test('an export without decisions is not held for whole against a head that notes their seals, unless that is meant', async () => {
  const [file, head] = [join(folder, 'events.jsonl'), join(folder, 'head.json')];
  assert.equal((await say('audit', 'export', '--events', '--out', file)).code, 0);
  const against = ['audit', 'verify', '--from', file, '--head', head];
  const { code, stdout } = await say(...against);
  assert.match(stdout, /^truncated +decisions: neither seals nor decisions are in this export, and seal 1 was noted/m);
  assert.equal(code, 1);
  const meant = await say(...against, '--events');
  assert.match(meant.stdout, /^verified +up to the head of .+ \(event 7, seal 1\) and beyond$/m);
  assert.match(meant.stdout, /^decisions +not looked at$/m);
  assert.equal(meant.code, 0);
  assert.equal((await say('audit', 'verify', '--from', file)).code, 0);
});

test('a part of an audit is verified as a part only when it is meant to be one', async () => {
  const lines = (await say('audit', 'export', '--events')).stdout.trim().split('\n');
  const file = join(folder, 'part.jsonl');
  await writeFile(file, `${lines.slice(3).join('\n')}\n`);
  assert.match((await say('audit', 'verify', '--from', file)).stdout, /links 1 to 3 are missing/);
  assert.equal((await say('audit', 'verify', '--from', file, '--partial')).code, 0);
  await writeFile(file, 'something else\n');
  assert.match((await say('audit', 'verify', '--from', file)).stderr, /line 1 is no line of an export/);
});

test('a head that somebody changed, or another signed, is believed by nobody', async () => {
  const head = join(folder, 'head.json');
  const text = await readFile(head, 'utf8');
  await writeFile(head, text.replace(/"sequence": 7/, '"sequence": 6'));
  const changed = await say('audit', 'verify', '--head', head);
  assert.match(changed.stderr, /its signature is not that of the key/);
  assert.equal(changed.code, 1);
  await writeFile(head, text);
  await rm(join(folder, '.countersign/audit.key'));
  await say('audit', 'head');
  assert.match((await say('audit', 'verify', '--head', head)).stderr, /and it names another key/);
});

test('an end that was cut off in the store shows against the head alone', async () => {
  const database = new DatabaseSync(join(folder, 'state.db'));
  database.exec(`DELETE FROM countersign_events WHERE chain = 'events' AND sequence > 4`);
  database.close();
  assert.equal((await say('audit', 'verify')).code, 0);
  const head = join(folder, 'head.json');
  const publicKey = join(folder, 'audit.pub');
  const against = await say('audit', 'verify', '--head', head, '--key', publicKey);
  assert.match(against.stdout, /^truncated +events: the end is missing: link 4 is the last one, and 7 was noted$/m);
  assert.equal(against.code, 1);
});

test('what was put in under a number below the first is found by the command that verifies', async () => {
  const database = new DatabaseSync(join(folder, 'state.db'));
  database.exec(`INSERT INTO countersign_events SELECT chain, -1, time + 1e6, type, actor, text, hash
    FROM countersign_events WHERE chain = 'events' AND sequence = 2`);
  const verified = await say('audit', 'verify');
  assert.match(verified.stdout, /^inserted +events: link -1 was inserted: no server gives such a number$/m);
  assert.equal(verified.code, 1);
  const file = join(folder, 'with-a-stray.jsonl');
  assert.equal((await say('audit', 'export', '--out', file)).code, 0);
  assert.match((await say('audit', 'verify', '--from', file)).stdout, /^(inserted|reordered) +events: /m);
  database.exec('DELETE FROM countersign_events WHERE sequence = -1');
  database.exec('UPDATE countersign_decisions SET sequence = -3 WHERE sequence = 3');
  const part = join(folder, 'with-a-stray-decision.jsonl');
  assert.equal((await say('audit', 'export', '--out', part)).code, 0);
  assert.match((await say('audit', 'verify', '--from', part)).stdout, /^inserted +decisions: decision -3 /m);
  database.exec('UPDATE countersign_decisions SET sequence = 3 WHERE sequence = -3');
  database.close();
  assert.equal((await say('audit', 'verify')).code, 0);
});

test('a forged note of where the seals end excuses no end that was cut off', async () => {
  const head = join(folder, 'another-head.json');
  const store = sqliteStore({ file: join(folder, 'state.db') });
  const self = { id: 'server:here', via: 'server', from: 'here' } as const;
  const clock = () => Date.now() / 1000;
  const retain = { seconds: 86_400, rows: 1000 };
  const work = sealer({ ...store, clock, self, retain, retainEvents: retain });
  await work.note();
  await store.decisions.append([decisionRow(4, { time: clock() })]);
  await work.seal();
  await work.note();
  assert.equal((await say('audit', 'head', '--out', head)).code, 0);
  const database = new DatabaseSync(join(folder, 'state.db'));
  const [first] = await store.events.list('decisions', { after: 0, limit: 1 });
  database.exec(`DELETE FROM countersign_events WHERE chain = 'decisions' AND sequence > 1;
    DELETE FROM countersign_decisions WHERE sequence > 3`);
  assert.match((await say('audit', 'verify')).stdout, /^truncated +decisions: /m);
  const forge = (detail: Record<string, string | number>) =>
    recordAct({ events: store.events, clock }, { type: 'decisions.sealed', subject: '', detail }, self);
  await forge({ sequence: 1, hash: first?.hash ?? '', last: 3 });
  assert.match((await say('audit', 'verify')).stdout, /^truncated +decisions: /m);
  const { sequence } = await forge({});
  const finding = new RegExp(`^inserted +events: link ${sequence} was inserted: it notes no end`, 'm');
  for (const options of [[], ['--head', head]]) {
    const verified = await say('audit', 'verify', ...options);
    assert.match(verified.stdout, finding);
    assert.equal(verified.code, 1);
  }
  database.close();
  await store.close();
});
