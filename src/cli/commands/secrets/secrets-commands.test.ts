/** `secrets …` as its users call it. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cleanEnvironment, runCli, type CliResult } from '../../../../test/e2e/program.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';
import { person, sopsDecrypts, withoutSops } from '../../../../test/fixtures/sops.ts';

const bob = person('bob');

interface Place {
  readonly folder: string;
  readonly bundle: string;
  readonly keyFile: string;
  cli(args: readonly string[], stdin?: string, env?: Record<string, string>): Promise<CliResult>;
  /** Must end with 0; the standard output. */
  done(args: readonly string[], stdin?: string, env?: Record<string, string>): Promise<string>;
  program(args: readonly string[], stdin?: string): Promise<CliResult>;
}

/** A folder with a bundle, unless it is to be bare; the age key lies outside. */
async function place(t: TestContext, bare = false): Promise<Place> {
  const outside = mkdtempSync(join(tmpdir(), 'countersign-secrets-test-'));
  t.after(() => rmSync(outside, { recursive: true, force: true }));
  const folder = join(outside, 'stack');
  mkdirSync(folder);
  const keyFile = join(outside, 'age/keys.txt');
  const given = { SOPS_AGE_KEY_FILE: keyFile, COUNTERSIGN_CONFIG: join(folder, 'countersign.yaml') };
  const cli: Place['cli'] = (args, stdin = '', env = {}) =>
    cliHere(args, { cwd: folder, stdin, env: { ...given, ...env } });
  const made: Place = {
    folder,
    keyFile,
    bundle: join(folder, 'secrets.sops.yaml'),
    cli,
    async done(args, stdin, env) {
      const { code, stdout, stderr } = await cli(args, stdin, env);
      assert.equal(code, 0, stderr);
      return stdout;
    },
    program: (args, stdin = '') => runCli(args, { cwd: folder, stdin, env: { ...cleanEnvironment(), ...given } }),
  };
  if (!bare) await made.done(['secrets', 'init']);
  return made;
}

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

test("a bundle is begun with a key of one's own outside of it, and a second begin changes nothing", async (t) => {
  const { folder, keyFile, bundle, program, cli } = await place(t, true);
  const dry = await cli(['secrets', 'init', '--dry-run']);
  assert.equal(dry.code, 0);
  assert.deepEqual(readdirSync(folder), []);
  assert.equal(existsSync(keyFile), false);

  const { code, stdout, stderr } = await program(['secrets', 'init', '--output', 'json']);
  assert.equal(code, 0, stderr);
  const said = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual(said['written'], [keyFile, join(folder, '.sops.yaml'), bundle]);
  assert.equal(mode(keyFile), '600');
  assert.match(readFileSync(keyFile, 'utf8'), /^AGE-SECRET-KEY-1/m);
  assert.doesNotMatch(stdout + stderr + readFileSync(bundle, 'utf8'), /AGE-SECRET-KEY/);
  assert.ok(readFileSync(join(folder, '.sops.yaml'), 'utf8').includes(String(said['recipient'])));

  const before = readFileSync(bundle, 'utf8');
  const again = await cli(['secrets', 'init']);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /exists already and was left alone/);
  assert.equal(readFileSync(bundle, 'utf8'), before);
});

test('in a repository the key must lie outside, and what is never to be committed is ignored', async (t) => {
  const { folder, cli, done } = await place(t, true);
  execFileSync('git', ['init', '-q', folder]);
  const inside = await cli(['secrets', 'init'], '', { SOPS_AGE_KEY_FILE: join(folder, 'deep/er/keys.txt') });
  assert.equal(inside.code, 1);
  assert.match(inside.stderr, /would lie in the repository/);
  assert.deepEqual(readdirSync(folder), ['.git']);

  writeFileSync(join(folder, '.gitignore'), '*.sops.yaml\nkeys.txt');
  const begun = await cli(['secrets', 'init']);
  assert.equal(begun.code, 0, begun.stderr);
  assert.match(begun.stderr, /git ignores secrets\.sops\.yaml/);
  assert.equal(
    readFileSync(join(folder, '.gitignore'), 'utf8'),
    '*.sops.yaml\nkeys.txt\nsecrets.yaml\nsecrets.dec.yaml\n*.agekey\n.countersign/\n',
  );
  await done(['secrets', 'list']);
});

test('a secret goes in by standard input and comes out alone; the list shows names only', async (t) => {
  const { bundle, program, done, cli } = await place(t);
  const set = await program(['secrets', 'set', 'aidb_api_key'], 'opensesame-1\n');
  assert.deepEqual([set.code, set.stdout], [0, 'added  aidb_api_key\n']);
  const got = await program(['secrets', 'get', 'aidb_api_key']);
  assert.equal(got.stdout, 'opensesame-1\n');
  assert.equal(got.stderr, '');
  await done(['secrets', 'set', 'database/password', '--generate']);
  assert.match(await done(['secrets', 'get', 'database/password']), /^[0-9A-Za-z]{43}\n$/);
  const listed = await cli(['secrets', 'list']);
  assert.match(listed.stdout, /^aidb_api_key +str +encrypted$/m);
  assert.match(listed.stdout, /^database\/password +str/m);
  assert.doesNotMatch(listed.stdout + listed.stderr + readFileSync(bundle, 'utf8'), /opensesame/);

  assert.equal(await done(['secrets', 'set', 'aidb_api_key', '--dry-run'], 'other'), 'would set  aidb_api_key\n');
  assert.equal(await done(['secrets', 'get', 'aidb_api_key']), 'opensesame-1\n');
  const before = readFileSync(bundle, 'utf8');
  assert.equal(await done(['secrets', 'set', 'aidb_api_key'], 'opensesame-1'), 'unchanged  aidb_api_key\n');
  assert.equal(readFileSync(bundle, 'utf8'), before);
  await done(['secrets', 'remove', 'aidb_api_key']);
  const gone = await cli(['secrets', 'get', 'aidb_api_key']);
  assert.deepEqual([gone.code, gone.stdout], [1, '']);
  assert.equal(gone.stderr, 'countersign: there is no secret aidb_api_key\n');
});

test('without a bundle, without a key, with another key, with one that others can read: one line and exit 1', async (t) => {
  const { folder, bundle, keyFile, cli, done } = await place(t);
  await done(['secrets', 'set', 'x'], 'opensesame');
  const none = await cli(['secrets', 'get', 'x', '--file', join(folder, 'other.yaml')], '', { SOPS_AGE_KEY_FILE: '' });
  assert.match(none.stderr, /there is no bundle at .*other\.yaml\n +Begin one: countersign secrets init\n$/);
  const line = async (
    pattern: RegExp,
    env: Record<string, string> = {},
    args = ['secrets', 'get', 'x'],
  ): Promise<void> => {
    const { code, stdout, stderr } = await cli(args, '', env);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, pattern);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
  };
  await line(/age key cannot be used: .*nowhere: cannot be opened/, { SOPS_AGE_KEY_FILE: '/nowhere' });
  await line(/no age key to open it with/, { SOPS_AGE_KEY_FILE: '', HOME: folder });
  await line(/secrets\.sops\.yaml: is encrypted for age1\S+, and none of your age keys/, {
    SOPS_AGE_KEY_FILE: '',
    HOME: folder,
    SOPS_AGE_KEY: bob.identity,
  });
  chmodSync(keyFile, 0o644);
  if (tmpdir() !== '/dev/shm') await line(/group or others can read/);
  chmodSync(keyFile, 0o600);
  const whole = readFileSync(bundle, 'utf8');
  writeFileSync(bundle, whole.replace(/data:../, 'data:AA'));
  await line(/secrets\.sops\.yaml: x does not open: it was changed/);
  writeFileSync(bundle, whole.replace(/^x: .*\n/m, ''));
  await line(/was changed after it was written/);
});

test('a bundle stays whose it was, with its mode, behind the link that leads to it', async (t) => {
  const { folder, bundle, cli, done } = await place(t);
  const real = join(folder, 'kept.sops.yaml');
  renameSync(bundle, real);
  symlinkSync('kept.sops.yaml', bundle);
  chmodSync(real, 0o640);
  if (process.getuid?.() === 0) chownSync(real, 65534, 65534);
  const { uid, gid } = statSync(real);
  await done(['secrets', 'set', 'x'], 'opensesame');
  const after = statSync(real);
  assert.deepEqual([mode(real), after.uid, after.gid, lstatSync(bundle).isSymbolicLink()], ['640', uid, gid, true]);
  assert.equal((await cli(['secrets', 'get', 'x'])).stdout, 'opensesame\n');
  assert.deepEqual(readdirSync(folder).sort(), ['.sops.yaml', 'kept.sops.yaml', 'secrets.sops.yaml']);
});

test('two commands that change the bundle at once: one of them is told, and neither change is lost', async (t) => {
  const { folder, done, cli } = await place(t);
  writeFileSync(join(folder, '.secrets.sops.yaml.lock'), '');
  const second = await cli(['secrets', 'set', 'x'], 'y');
  assert.equal(second.code, 1);
  assert.match(second.stderr, /another command is changing .*; try again, or if it runs nowhere, remove /);
  rmSync(join(folder, '.secrets.sops.yaml.lock'));
  await done(['secrets', 'set', 'x'], 'y');
  assert.deepEqual(readdirSync(folder).sort(), ['.sops.yaml', 'secrets.sops.yaml']);
});

test('recipients are those of .sops.yaml: given the key by rotate, and a stranger in the file stops every write', async (t) => {
  const { folder, bundle, keyFile, done, cli } = await place(t);
  await done(['secrets', 'set', 'x'], 'opensesame');
  const asBob = { SOPS_AGE_KEY: bob.identity, SOPS_AGE_KEY_FILE: '', HOME: folder };
  assert.equal((await cli(['secrets', 'get', 'x'], '', asBob)).code, 1);

  const rules = join(folder, '.sops.yaml');
  const alone = readFileSync(rules, 'utf8');
  writeFileSync(rules, `${alone.trimEnd()},\n      ${bob.recipient}\n`);
  assert.match(
    (await cli(['secrets', 'set', 'y'], 'z')).stderr,
    /cannot open secrets\.sops\.yaml yet; run: countersign secrets rotate/,
  );
  await done(['secrets', 'rotate']);
  assert.equal((await cli(['secrets', 'get', 'x'], '', asBob)).stdout, 'opensesame\n');

  writeFileSync(rules, alone);
  const stopped = await cli(['secrets', 'set', 'y'], 'new value');
  assert.equal(stopped.code, 1);
  assert.match(stopped.stderr, new RegExp(`can be opened by ${bob.recipient}, whom .* does not name`));
  const before = readFileSync(bundle, 'utf8');
  await done(['secrets', 'rotate', '--dry-run']);
  assert.equal(readFileSync(bundle, 'utf8'), before);
  const rotated = await cli(['secrets', 'rotate', '--output', 'json']);
  assert.deepEqual((JSON.parse(rotated.stdout) as { removed: string[] }).removed, [bob.recipient]);
  assert.match(rotated.stderr, /could read every secret until now/);
  assert.equal((await cli(['secrets', 'get', 'x'], '', asBob)).code, 1);
  assert.equal(await done(['secrets', 'get', 'x']), 'opensesame\n');
  assert.ok(existsSync(keyFile));
});

test('a private key where a recipient belongs is refused, and shown in no message', async (t) => {
  const { folder, done, cli } = await place(t);
  await done(['secrets', 'set', 'x'], 'opensesame');
  for (const age of [bob.identity, `age1other, ${bob.identity.toLowerCase()}`]) {
    writeFileSync(join(folder, '.sops.yaml'), `creation_rules: [{ age: '${age}' }]\n`);
    for (const args of [['set', 'y'], ['rotate']]) {
      const { code, stderr } = await cli(['secrets', ...args], 'value');
      assert.equal(code, 1, args.join(' '));
      assert.match(stderr, /\.sops\.yaml: names a private key/, args.join(' '));
      assert.doesNotMatch(stderr, /age-secret-key-1/i, args.join(' '));
    }
  }
});

test('without a rule that names them nobody is given a new key: whoever can write the bundle can add themselves to its list', async (t) => {
  const { folder, bundle, done, cli } = await place(t);
  await done(['secrets', 'set', 'x'], 'opensesame');
  const text = readFileSync(bundle, 'utf8');
  writeFileSync(
    bundle,
    text.replace('    age:\n', `    age:\n        - recipient: ${bob.recipient}\n          enc: none\n`),
  );
  const changed = readFileSync(bundle, 'utf8');
  for (const rules of [null, 'creation_rules:\n  - encrypted_regex: .*\n']) {
    rmSync(join(folder, '.sops.yaml'), { force: true });
    if (rules !== null) writeFileSync(join(folder, '.sops.yaml'), rules);
    const { code, stderr } = await cli(['secrets', 'rotate']);
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`protected by nothing: .*${bob.recipient}.*\\n +Name those who are to.*creation_rules:`),
    );
    assert.equal(readFileSync(bundle, 'utf8'), changed);
  }
});

test('rules that are there already are kept to; those that name more than age keys are left to sops', async (t) => {
  const { folder, bundle, cli, done } = await place(t, true);
  const rules = join(folder, '.sops.yaml');
  const write = (text: string): void => writeFileSync(rules, `creation_rules:\n${text}`);
  write('  - path_regex: ^other\\.yaml$\n    age: age1x\n');
  const none = await cli(['secrets', 'init']);
  assert.equal(none.code, 1);
  assert.match(
    none.stderr,
    /has no rule for secrets\.sops\.yaml\n +Add to its creation_rules:\n +- path_regex: .*\n +age: >-\n +age1/,
  );

  write(`  - age: ${bob.recipient}\n`);
  assert.match((await cli(['secrets', 'init'])).stderr, /does not name age1\S+ for secrets\.sops\.yaml/);
  write('  - encrypted_regex: ^hidden$\n');
  await done(['secrets', 'init']);
  await done(['secrets', 'set', 'hidden/x'], 'opensesame');
  assert.match(readFileSync(bundle, 'utf8'), /^ +encrypted_regex: \^hidden\$$/m);
  assert.match((await cli(['secrets', 'set', 'open'], 'y')).stderr, /would stand in the clear/);

  // A folder above may be anybody's, unless it is of the same repository.
  rmSync(rules);
  const above = join(folder, '../.sops.yaml');
  writeFileSync(above, `creation_rules:\n  - age: ${bob.recipient}\n`);
  assert.equal((await cli(['secrets', 'set', 'hidden/x'], 'opensesame')).code, 0);
  execFileSync('git', ['init', '-q', join(folder, '..')]);
  assert.match((await cli(['secrets', 'set', 'hidden/x'], 'y')).stderr, /whom .*\.sops\.yaml does not name/);
  rmSync(above);
  write(`  - age: ${bob.recipient}\n    kms: arn:aws:kms:eu-central-1:1:key/1\n`);
  const before = readFileSync(bundle, 'utf8');
  const refusedHere = await cli(['secrets', 'rotate']);
  assert.equal(refusedHere.code, 1);
  assert.match(refusedHere.stderr, /names more than age keys.*\n +Use: sops updatekeys/);
  write('  - path_regex: (\n');
  assert.match((await cli(['secrets', 'rotate'])).stderr, /path_regex is no pattern/);
  write('x: [');
  assert.match((await cli(['secrets', 'set', 'hidden/x'], 'y')).stderr, /is not valid YAML with a list creation_rules/);
  assert.equal(readFileSync(bundle, 'utf8'), before);
});

test('the bundle is edited in the clear in memory only, and what cannot be kept changes nothing', async (t) => {
  const { bundle, done, cli, folder } = await place(t);
  await done(['secrets', 'set', 'x'], 'opensesame');
  const editor = (script: string): Record<string, string> => {
    const path = join(folder, '../editor.sh');
    writeFileSync(path, `#!/bin/sh\nstat -c '%a %n' "$1" > ${folder}/../seen\n${script}\n`, { mode: 0o755 });
    return { VISUAL: path, XDG_RUNTIME_DIR: '' };
  };
  assert.match(await done(['secrets', 'edit'], '', editor('printf "# note\\ny: 7\\n" >> "$1"')), /^changed/);
  const [seen = '', draft = ''] = readFileSync(join(folder, '../seen'), 'utf8').trim().split(' ');
  assert.equal(seen, '600');
  assert.match(draft, /^\/dev\/shm\/countersign-secrets-/);
  assert.equal(existsSync(join(draft, '..')), false);
  assert.equal(await done(['secrets', 'get', 'y']), '7\n');
  const before = readFileSync(bundle, 'utf8');
  assert.doesNotMatch(before, /note/);
  assert.match(await done(['secrets', 'edit'], '', editor('true')), /^unchanged/);
  for (const script of ['echo "z: 2001-01-01" >> "$1"', 'echo "]" >> "$1"', 'exit 3']) {
    const { code } = await cli(['secrets', 'edit'], '', editor(script));
    assert.equal(code, 1);
    assert.equal(readFileSync(bundle, 'utf8'), before);
  }
});

test('where there is a configuration, the audit says who changed which secret, and never a value', async (t) => {
  const { folder, bundle, cli, done } = await place(t);
  const configuration = join(folder, 'countersign.yaml');
  const services = 'services: { aidb: { upstream: http://127.0.0.1:9 } }\n';
  writeFileSync(configuration, `store: sqlite:state.db\n${services}`);
  await done(['secrets', 'set', 'x', '--reason', 'INC-7'], 'opensesame-1');
  await done(['secrets', 'set', 'x'], 'opensesame-1');
  await done(['secrets', 'set', 'y', '--dry-run'], 'opensesame-2');
  await done(['secrets', 'set', 'x'], 'opensesame-2');
  const editor = join(folder, '../editor.sh');
  writeFileSync(editor, '#!/bin/sh\nprintf "group:\\n  y: opensesame-3\\n" > "$1"\n', { mode: 0o755 });
  await done(['secrets', 'edit'], '', { VISUAL: editor });
  await done(['secrets', 'rotate']);
  await done(['secrets', 'remove', 'group/y']);
  const audit = await done(['audit', 'tail', '--events', '--output', 'json']);
  const told = audit
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; actor: string; subject: string; detail: object });
  const [recipient = ''] = /age1[0-9a-z]+/.exec(readFileSync(join(folder, '.sops.yaml'), 'utf8')) ?? [];
  assert.deepEqual(
    told.map(({ type, subject, detail }) => [type, subject, detail]),
    [
      ['secret.set', 'x', { bundle, outcome: 'added' }],
      ['secret.set', 'x', { bundle, outcome: 'changed' }],
      ['bundle.edited', bundle, { added: ['group/y'], changed: [], removed: ['x'] }],
      ['bundle.rotated', bundle, { recipients: [recipient], added: [], removed: [] }],
      ['secret.removed', 'group/y', { bundle }],
    ],
  );
  assert.ok(told.every(({ actor }) => actor.startsWith('cli:')));
  assert.match(audit, /"reason":"INC-7"/);
  assert.doesNotMatch(audit, /opensesame/);

  for (const [yaml, why] of [
    [`store: postgres://nobody@127.0.0.1:1/none\n${services}`, /Postgres at 127\.0\.0\.1:1/],
    [`store: "memory:"\n${services}`, /only the running server/],
    ['store: [', /countersign\.yaml:1/],
  ] as const) {
    writeFileSync(configuration, yaml);
    const { code, stderr } = await cli(['secrets', 'set', 'z', '--generate']);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^warning: done, but not in the audit: /);
    assert.match(stderr, why);
  }
  rmSync(configuration);
  assert.equal((await cli(['secrets', 'set', 'z', '--generate'])).stderr, '');
});

test('what is added in the editor and stands in the clear, by whatever rule, is told', async (t) => {
  const { folder, bundle, done, cli } = await place(t);
  await done(['secrets', 'set', 'aidb_api_key'], 'opensesame-1');
  writeFileSync(bundle, `${readFileSync(bundle, 'utf8')}    encrypted_regex: ^aidb_api_key$\n`);
  const editor = join(folder, 'editor.sh');
  writeFileSync(editor, '#!/bin/sh\necho "other_api_key: opensesame-2" >> "$1"\n', { mode: 0o755 });
  const { code, stderr } = await cli(['secrets', 'edit'], '', { EDITOR: editor });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^warning: other_api_key stands in the clear/m);
  assert.doesNotMatch(stderr, /opensesame|aidb_api_key stands/);
});

test('an empty value, which anybody can add to a bundle, is no secret that a command gets unless it is named', async (t) => {
  const { bundle, done, program } = await place(t);
  await done(['secrets', 'set', 'aidb_api_key'], 'opensesame-1');
  writeFileSync(bundle, `postgres_password: ""\n${readFileSync(bundle, 'utf8')}`);
  const list = ['--', 'sh', '-c', 'ls $SECRETS_DIR; echo "<$POSTGRES_PASSWORD_FILE>"'];
  const { code, stdout, stderr } = await program(['secrets', 'run', ...list]);
  assert.deepEqual([code, stdout], [0, 'aidb_api_key\n<>\n']);
  assert.match(stderr, /^warning: postgres_password is empty, which the MAC of the bundle does not cover/m);
  const named = await program(['secrets', 'run', '--only', 'postgres_password', ...list]);
  assert.match(named.stdout, /^postgres_password\n<.+>\n$/);
});

const show =
  'stat -c "%a" "$SECRETS_DIR" "$AIDB_API_KEY_FILE"; cat "$AIDB_API_KEY_FILE"; echo; echo "$SECRETS_DIR"; env | grep -c opensesame';

test('a command finds the secrets as files in memory, none in its environment, and they are gone when it ends', async (t) => {
  const { done, program } = await place(t);
  await done(['secrets', 'set', 'aidb_api_key'], 'opensesame-1');
  await done(['secrets', 'set', 'group/token'], 'opensesame-2');
  const { code, stdout } = await program(['secrets', 'run', '--', 'sh', '-c', show]);
  const [dirMode, fileMode, value, dir = '', count] = stdout.split('\n');
  assert.deepEqual([dirMode, fileMode, value, count], ['700', '600', 'opensesame-1', '0']);
  assert.equal(code, 1, 'the exit code of the command: grep found nothing');
  assert.equal(existsSync(dir), false);

  const asked = await program([
    'secrets',
    'run',
    '--only',
    'group/token',
    '--env',
    'aidb_api_key',
    '--',
    'sh',
    '-c',
    'echo $AIDB_API_KEY; ls $SECRETS_DIR; exit 7',
  ]);
  assert.deepEqual([asked.code, asked.stdout], [7, 'opensesame-1\ngroup\n']);
  assert.equal((await program(['secrets', 'run', '--', '/nonexistent'])).code, 127);
  assert.equal((await program(['secrets', 'run', '--', 'sh', '-c', 'kill -9 $$'])).code, 137);
  assert.equal((await program(['secrets', 'run'])).code, 2);
});

test('the folder is gone too when the run is ended by a signal, which the command gets; a killed one is cleared up by the next', async (t) => {
  const { done, folder, keyFile, program } = await place(t);
  await done(['secrets', 'set', 'aidb_api_key'], 'opensesame-1');
  const start = async () => {
    const child = spawn(
      join(import.meta.dirname, '../../../../bin/countersign'),
      [
        'secrets',
        'run',
        '--',
        'sh',
        '-c',
        'trap "exit 5" TERM; echo $SECRETS_DIR $PPID $$; for i in $(seq 200); do sleep 0.05; done',
      ],
      {
        cwd: folder,
        env: { ...cleanEnvironment(), SOPS_AGE_KEY_FILE: keyFile },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    const [dir = '', pid = '', command = ''] = line.trim().split(' ');
    assert.ok(existsSync(dir));
    return { child, dir, pid: Number(pid), command: Number(command) };
  };
  const first = await start();
  first.child.kill('SIGTERM');
  const [code] = (await once(first.child, 'exit')) as [number];
  assert.equal(code, 5);
  assert.equal(existsSync(first.dir), false);

  const second = await start();
  process.kill(second.pid, 'SIGKILL');
  t.after(() => process.kill(second.command, 'SIGKILL'));
  await once(second.child, 'exit');
  assert.ok(existsSync(second.dir));
  await program(['secrets', 'run', '--', 'true']);
  assert.equal(existsSync(second.dir), false);
});

test('with --dir the folder has a name that a configuration can name, and one that is there is not used', async (t) => {
  const { done, folder, program } = await place(t);
  await done(['secrets', 'set', 'aidb_api_key'], 'opensesame-1');
  const dir = `/dev/shm/countersign-test-${process.pid}`;
  const { stdout } = await program(['secrets', 'run', '--dir', dir, '--', 'cat', `${dir}/aidb_api_key`]);
  assert.equal(stdout, 'opensesame-1');
  assert.equal(existsSync(dir), false);
  const taken = await program(['secrets', 'run', '--dir', folder, '--', 'true']);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /is there already/);
});

test('sops opens the bundle, and its own rules name the same recipients', { skip: withoutSops }, async (t) => {
  const { folder, bundle, keyFile, done } = await place(t);
  await done(['secrets', 'set', 'aidb_api_key'], 'opensesame-1');
  const [, identity = ''] = /^(AGE-SECRET-KEY\S+)$/m.exec(readFileSync(keyFile, 'utf8')) ?? [];
  assert.equal(
    sopsDecrypts(readFileSync(bundle, 'utf8'), 'yaml', { identity, recipient: '' }, folder),
    'aidb_api_key: opensesame-1\n',
  );
  const sops = process.env['COUNTERSIGN_SOPS'] ?? 'sops';
  const env = { SOPS_AGE_KEY_FILE: keyFile, PATH: process.env['PATH'] ?? '', HOME: folder };
  execFileSync(sops, ['set', bundle, '["dashboard_api_key"]', '"made by sops"'], { cwd: folder, env });
  assert.equal(await done(['secrets', 'get', 'dashboard_api_key']), 'made by sops\n');
  writeFileSync(
    join(folder, '.sops.yaml'),
    `${readFileSync(join(folder, '.sops.yaml'), 'utf8').trimEnd()},\n      ${bob.recipient}\n`,
  );
  execFileSync(sops, ['updatekeys', '--yes', bundle], { cwd: folder, env, stdio: 'ignore' });
  assert.equal(
    await done(['secrets', 'get', 'aidb_api_key'], '', {
      SOPS_AGE_KEY: bob.identity,
      SOPS_AGE_KEY_FILE: '',
      HOME: folder,
    }),
    'opensesame-1\n',
  );
});
