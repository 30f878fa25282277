/** The stack of examples/ai-stack-before: every planted fault is found, and what is printed is enough to mend it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { checkResults } from '../../../audit/check-result.ts';
import { systemClock } from '../../../core/clock.ts';
import { mintKey } from '../../../crypto/key-format.ts';
import { sqliteStore } from '../../../stores/sqlite/store.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';
import { startProgram, startUpstream } from '../../../../test/e2e/program.ts';

const before = join(import.meta.dirname, '../../../../examples/ai-stack-before');

/** Check, file and what stands on the line. */
const planted: readonly (readonly [check: string, file: string, line: RegExp, count?: number])[] = [
  ['plaintext-secret', '.env', /^\w+_API_KEY=[0-9a-f]{64}$/, 9],
  ['guessable-password', 'docker-compose.yml', /DATABASE_URL: postgresql:\/\/mcp:change_me_in_production@/],
  ['guessable-password', 'docker-compose.yml', /POSTGRES_PASSWORD: change_me_in_production/],
  ['guessable-password', 'docker-compose.yml', /GF_SECURITY_ADMIN_PASSWORD=admin/],
  ['guessable-password', 'grafana/grafana.ini', /admin_password = admin/],
  ['redis-without-password', 'docker-compose.yml', /image: redis:8/],
  ['open-port', 'docker-compose.yml', /^ +- '\d+:\d+'$/, 12],
];

interface Found {
  readonly id: string;
  readonly check: string;
  readonly place: string;
  readonly severity: string;
  readonly what: string;
  readonly why: string;
}

function git(folder: string, ...args: string[]): string {
  const identity = ['-c', 'user.name=Somebody', '-c', 'user.email=somebody@example.invalid'];
  return execFileSync('git', [...identity, ...args], { cwd: folder, encoding: 'utf8' });
}

/** Does what the printed lines say, in their order: commands first, then edits from the bottom of each file up. */
async function follow(printed: string, folder: string, env: Record<string, string>): Promise<void> {
  const commands = [...printed.matchAll(/^ {2}(?:run {5})?(countersign .+|git .+|echo .+|chmod .+)$/gm)].map(
    (match) => match[1] as string,
  );
  for (const command of new Set(commands)) {
    if (!command.startsWith('countersign ')) execFileSync('sh', ['-c', command], { cwd: folder });
    else {
      assert.match(command, / --config /);
      const { code, stderr } = await cliHere(command.split(' ').slice(1), { cwd: folder, env });
      assert.equal(code, 0, `${command}: ${stderr}`);
    }
  }
  const edit = /^ {2}edit {4}(?:delete|write instead of) line (\d+) of (.+?):?$((?:\n {4}\| .*)*)/gm;
  const edits = [...printed.matchAll(edit)].map(([, line, file, lines = '']) => ({
    file: file as string,
    line: Number(line),
    lines: lines
      .split('\n')
      .slice(1)
      .map((text) => text.slice(6)),
  }));
  for (const { file, line, lines } of edits.toSorted((a, b) => b.line - a.line)) {
    const text = readFileSync(join(folder, file), 'utf8').split('\n');
    text.splice(line - 1, 1, ...lines);
    writeFileSync(join(folder, file), text.join('\n'));
  }
}

async function stackBefore(t: TestContext) {
  const upstream = await startUpstream(t);
  const example = readFileSync(join(before, 'countersign.yaml'), 'utf8');
  const yaml = example
    .replace(/^(?:listen|adminListen|store):.*\n/gm, '')
    .replace(/upstream: .*/g, `upstream: ${upstream.url}`);
  const program = await startProgram(t, { yaml, store: 'sqlite:.countersign/state.db' });
  const { folder } = program;
  for (const name of ['.env', 'docker-compose.yml', 'grafana']) {
    cpSync(join(before, name), join(folder, name), { recursive: true });
  }
  chmodSync(join(folder, '.env'), 0o644);
  git(folder, 'init', '--quiet');
  git(folder, 'add', '.', ':!.countersign');
  git(folder, 'commit', '--quiet', '-m', 'the stack');
  const keys = mkdtempSync(join(tmpdir(), 'countersign-age-'));
  t.after(() => rmSync(keys, { recursive: true, force: true }));
  const env = { SOPS_AGE_KEY_FILE: join(keys, 'keys.txt') };
  const run = async (...args: string[]) =>
    cliHere([...args, '--config', join(folder, 'countersign.yaml')], { cwd: folder, env });
  const kept = async () => {
    const store = sqliteStore({ file: join(folder, '.countersign/state.db') });
    try {
      return await checkResults(store.records, systemClock());
    } finally {
      await store.close();
    }
  };
  return { upstream, folder, env, run, kept };
}

test('a result is kept in a store, and where there is none it says so', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-record-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const without = await cliHere(['doctor', '--record'], { cwd: folder });
  assert.equal(without.code, 1);
  assert.match(without.stderr, /there is no configuration/);
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: memory:\nservices: { one: { upstream: http://127.0.0.1:1 } }\n',
  );
  assert.match((await cliHere(['doctor', '--record'], { cwd: folder })).stderr, /only the running server can see/);
  assert.equal((await cliHere(['doctor', '--record', '--accept', 'x'], { cwd: folder })).code, 2);
});

test('every planted fault is found with its line, and following what is printed ends at 9/9 and no finding', async (t) => {
  const { upstream, folder, env, run, kept } = await stackBefore(t);

  const { code, stdout } = await run('doctor', '--output', 'json');
  assert.equal(code, 1);
  const { findings } = JSON.parse(stdout) as { findings: Found[] };
  const left = new Set(findings);
  for (const [check, file, line, count = 1] of planted) {
    const lines = readFileSync(join(before, file), 'utf8').split('\n');
    const places = lines.flatMap((text, index) => (line.test(text) ? [`${file}:${index + 1}`] : []));
    assert.equal(places.length, count, `${file} has other faults than are listed: ${line}`);
    for (const place of places) {
      const found = findings.find((finding) => finding.check === check && finding.place === place);
      assert.ok(found, `${check} at ${place} was not found`);
      left.delete(found);
    }
  }
  const others = [...left].map(({ check, place }) => `${check} ${place.replace(/:.*/, '')}`);
  assert.deepEqual([...new Set(others)].toSorted(), [
    'no-bundle ' + folder,
    'not-ignored-by-git .countersign/',
    'open-file .env',
    'secret-in-history .env',
    'tracked-by-git .env',
  ]);
  assert.equal(others.filter((text) => text === 'secret-in-history .env').length, 9);
  for (const { why, severity } of findings) assert.ok(why.length > 20 && ['high', 'medium', 'low'].includes(severity));

  const first = await run('doctor', '--record');
  const secrets = [...readFileSync(join(before, '.env'), 'utf8').matchAll(/=([0-9a-f]{64})$/gm)].map(
    (match) => match[1] as string,
  );
  assert.equal(secrets.length, 9);
  for (const secret of [...secrets, 'change_me_in_production']) {
    assert.equal((first.stdout + first.stderr + stdout).includes(secret), false, 'a secret is shown');
    assert.equal(JSON.stringify(await kept()).includes(secret), false, 'a secret is kept');
  }
  const [examined] = await kept();
  assert.match(first.stdout, new RegExp(`^${examined?.summary}$`, 'm'));
  assert.equal(examined?.findings.length, findings.length);
  for (const { place, severity, repair } of examined.findings)
    assert.ok(repair.length > 0 && findings.some((one) => one.place === place && one.severity === severity), place);

  assert.match(first.stdout, /^Run the commands first, then edit each file from the bottom up/m);
  await follow(first.stdout, folder, env);
  const mended = await run('doctor');
  assert.equal(mended.code, 0, mended.stdout);
  assert.match(mended.stdout, /^nothing found; 9 accepted\n$/);

  const open = await run('probe', '--record');
  assert.equal(open.code, 1);
  const [, tried] = await kept();
  assert.equal(tried?.summary, 'authenticated 1/9 (11 %)');
  assert.ok(tried.findings.every(({ severity, repair }) => severity === 'high' && repair.length === 1));
  assert.equal((await run('probe', '--record', '--service', 'aidb')).code, 2, 'a part is not the whole');
  assert.match(open.stdout, /^authenticated 1\/9 \(11 %\)$/m);
  await follow(open.stdout, folder, env);
  const closed = await run('probe');
  assert.match(closed.stdout, /^authenticated 9\/9 \(100 %\)$/m);
  assert.equal(closed.code, 0, closed.stdout);
  assert.equal((await run('doctor')).code, 0);
  assert.deepEqual(
    upstream.requests.filter(({ url }) => !url.startsWith('/.well-known/')),
    [],
  );
});

test("Countersign's own state in a repository is found, whether it is about to be committed or was", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-state-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const found = async () => {
    const { findings } = JSON.parse((await cliHere(['doctor', '--output', 'json'], { cwd: folder })).stdout) as {
      findings: Found[];
    };
    return findings.map(({ check, place }) => `${check} ${place}`);
  };
  git(folder, 'init', '--quiet');
  mkdirSync(join(folder, '.countersign'), { mode: 0o700 });
  writeFileSync(join(folder, '.countersign/master.key'), `${'ab'.repeat(32)}\n`, { mode: 0o600 });
  assert.deepEqual(await found(), ['not-ignored-by-git .countersign/']);
  git(folder, 'add', '.');
  assert.deepEqual(await found(), ['tracked-by-git .countersign/']);
  const { stdout } = await cliHere(['doctor'], { cwd: folder });
  await follow(stdout, folder, {});
  assert.deepEqual(await found(), []);
  rmSync(join(folder, '.gitignore'));
  await cliHere(['doctor', '--fix'], { cwd: folder });
  assert.equal(readFileSync(join(folder, '.gitignore'), 'utf8'), '/.countersign/\n');
  assert.deepEqual(await found(), []);
});

test('files are examined where the configuration has faults, and nothing found in them is no all-clear', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-doctor-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'countersign.yaml'), 'services:\n\ta: 1\n');
  const clean = await cliHere(['doctor'], { cwd: folder });
  assert.equal(clean.code, 1);
  assert.match(
    clean.stderr,
    /not looked at: keys, clocks.*countersign\.yaml has faults, which `countersign validate` names/,
  );
  writeFileSync(join(folder, '.env'), 'POSTGRES_PASSWORD=admin\n');
  assert.match((await cliHere(['doctor'], { cwd: folder })).stdout, /\.env:1: POSTGRES_PASSWORD is a default/);
});

test('what cannot be fixed leaves the rest to be fixed, and is told', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-doctor-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  git(folder, 'init', '--quiet');
  writeFileSync(join(folder, '.env'), `AIDB_API_KEY=${'0123456789abcdef'.repeat(4)}\n`, { mode: 0o644 });
  symlinkSync(join(folder, 'elsewhere'), join(folder, '.gitignore'));
  const { code, stdout, stderr } = await cliHere(['doctor', '--fix'], { cwd: folder });
  assert.equal(code, 1);
  assert.match(stderr, /not fixed: \.env: .*\.gitignore was left alone: it is a link/);
  assert.match(stdout, /^fixed {2}\.env: others on this machine can read it/m);
  assert.equal(statSync(join(folder, '.env')).mode & 0o777, 0o600);
});

test("a client's key for the gateway may stand in its file, where its user alone reads it and git never takes it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-doctor-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'mcp.json');
  const server = (key: string) => ({
    url: 'http://127.0.0.1:8700/files/',
    headers: { Authorization: `Bearer ${key}` },
  });
  const write = (key: string): void =>
    writeFileSync(file, JSON.stringify({ mcpServers: { files: server(key) } }, null, 2), { mode: 0o600 });
  const checks = async () => {
    const { stdout } = await cliHere(['doctor', '--output', 'json'], { cwd: folder });
    return (JSON.parse(stdout) as { findings: Found[] }).findings.map(({ check }) => check);
  };
  const { key } = mintKey('sk');
  write(key);
  assert.deepEqual(await checks(), []);
  chmodSync(file, 0o640);
  assert.deepEqual(await checks(), ['no-bundle', 'plaintext-secret']);
  chmodSync(file, 0o600);
  git(folder, 'init', '--quiet');
  assert.deepEqual(await checks(), ['not-ignored-by-git']);
  git(folder, 'add', '.');
  assert.deepEqual(await checks(), ['tracked-by-git']);
  git(folder, 'rm', '--cached', '--quiet', 'mcp.json');
  write('0f1e2d3c4b5a6978'.repeat(4));
  assert.deepEqual(await checks(), ['no-bundle', 'plaintext-secret'], 'a key of another is none of the client');
});
