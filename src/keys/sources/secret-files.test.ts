import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { sha256Hex } from '../../crypto/digest.ts';
import { mintKey } from '../../crypto/key-format.ts';
import type { KeyedService } from './key-source.ts';
import { secretFiles } from './secret-files.ts';

const plain = (...names: string[]): KeyedService[] => names.map((name) => ({ name, apiKeyFile: null }));
const secretA = 'a4f1c09b77e2d35568aa01bc9d3fe6427781905cde23f4ab56108e9dc7b3f02a';
const secretB = '0b93de52f7a146c8801fbe27d9653ca4e1f870b26d4c59831a7eb6f2c05d9e84';

function folderFor(t: TestContext, base = tmpdir()): string {
  const folder = mkdtempSync(join(base, 'countersign-keys-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function put(path: string, text: string, mode = 0o600): void {
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
}

/** A started source and a way to wait for what it will hold; the poll is slow unless the test is about it. */
async function started(t: TestContext, pattern: string, services: KeyedService[], pollMillis = 60_000) {
  const warned: string[] = [];
  const source = secretFiles({ pattern, services: () => services, onWarning: (text) => warned.push(text), pollMillis });
  const waiting = new Set<() => void>();
  await source.start(() => waiting.forEach((look) => look()));
  t.after(() => source.close());
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        waiting.delete(look);
        clearInterval(alive);
        resolve();
      };
      // The source itself keeps no process alive.
      const alive = setInterval(() => {}, 1000);
      waiting.add(look);
      look();
    });
  const holds = (secret: string): boolean => source.keys().some((key) => key.digest === sha256Hex(secret));
  return { source, warned, until, holds };
}

test('takes <service>_api_key for the service, dashes as underscores, accepted at that service only', async (t) => {
  const folder = folderFor(t);
  put(join(folder, 'hybrid_coordinator_api_key'), `${secretA}\n`);
  put(join(folder, 'stack_api_key'), `${secretB}\r\n`);
  const { source, warned } = await started(t, join(folder, '*_api_key'), plain('hybrid-coordinator', 'embeddings'));
  assert.deepEqual(source.keys(), [
    {
      kind: 'sk',
      credentialId: 'file:hybrid_coordinator_api_key',
      digest: sha256Hex(secretA),
      service: 'hybrid-coordinator',
      acceptedAt: 'hybrid-coordinator',
    },
    { kind: 'sk', credentialId: 'file:stack_api_key', digest: sha256Hex(secretB), service: 'stack', acceptedAt: null },
  ]);
  assert.deepEqual(warned, []);
});

test('warns of a file that matches no service, or two, and serves neither', async (t) => {
  const folder = folderFor(t);
  put(join(folder, 'nobody_api_key'), secretA);
  put(join(folder, 'a_b_api_key'), secretB);
  const { source, warned } = await started(t, join(folder, '*_api_key'), plain('a-b', 'a_b'));
  assert.deepEqual(source.keys(), []);
  assert.equal(warned.length, 2);
  assert.match(warned[0] ?? '', /a_b_api_key: could belong to a-b and a_b/);
  assert.match(warned[1] ?? '', /nobody_api_key: matches no service/);
});

test("a service's apiKeyFile replaces the usual name, and is warned of when it is missing", async (t) => {
  const folder = folderFor(t);
  const named = join(folder, 'special.key');
  const services = [{ name: 'embeddings', apiKeyFile: named }];
  put(join(folder, 'embeddings_api_key'), secretA);
  const usual = await started(t, join(folder, '*_api_key'), services);
  assert.deepEqual(usual.source.keys(), []);
  assert.match(usual.warned[0] ?? '', /embeddings names another apiKeyFile/);
  const own = await started(t, named, services);
  assert.deepEqual(own.warned, [`${named}: does not exist`]);
  put(named, secretB);
  await own.until(() => own.holds(secretB));
  assert.partialDeepStrictEqual(own.source.keys(), [{ kind: 'sk', acceptedAt: 'embeddings' }]);
  assert.deepEqual(own.source.warnings(), []);
});

for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644, 0o777]) {
  test(`refuses a key file of mode 0${mode.toString(8)}, saying path, mode and chmod 600`, async (t) => {
    const folder = folderFor(t);
    const path = join(folder, 'embeddings_api_key');
    put(path, secretA, mode);
    const { source, warned } = await started(t, join(folder, '*_api_key'), plain('embeddings'));
    assert.deepEqual(source.keys(), []);
    assert.equal(warned.length, 1);
    for (const part of [path, `0${mode.toString(8)}`, `chmod 600 ${path}`]) assert.ok(warned[0]?.includes(part), part);
  });
}

test('accepts a key file that others can read on tmpfs, with a warning', async (t) => {
  if (process.platform !== 'linux' || !existsSync('/dev/shm')) return t.skip('no tmpfs at /dev/shm');
  const folder = folderFor(t, '/dev/shm');
  put(join(folder, 'embeddings_api_key'), secretA, 0o444);
  const { warned, holds } = await started(t, join(folder, '*_api_key'), plain('embeddings'));
  assert.ok(holds(secretA));
  assert.match(warned[0] ?? '', /embeddings_api_key: group or others can read or write it \(mode 0444\)/);
});

test('accepts a key file that others can read below /run/secrets, with a warning', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root may make /run/secrets');
  const had = existsSync('/run/secrets');
  mkdirSync('/run/secrets', { recursive: true });
  const folder = folderFor(t, '/run/secrets');
  if (!had) t.after(() => rmSync('/run/secrets', { recursive: true, force: true }));
  put(join(folder, 'embeddings_api_key'), secretA, 0o444);
  const { warned, holds } = await started(t, join(folder, '*_api_key'), plain('embeddings'));
  assert.ok(holds(secretA));
  assert.match(warned[0] ?? '', /mode 0444/);
});

test('warns root of a key file that belongs to somebody else, who could change it', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root may give a file away');
  const folder = folderFor(t);
  const path = join(folder, 'embeddings_api_key');
  put(path, secretA);
  chownSync(path, 65_534, 65_534);
  const { warned, holds } = await started(t, join(folder, '*_api_key'), plain('embeddings'));
  assert.ok(holds(secretA));
  assert.deepEqual(warned, [
    `${path}: belongs to user 65534, who can change it; unless that is meant, run: chown root ${path}`,
  ]);
});

test('refuses what is not a regular file, too large, empty, or no key that a header can carry, and shows none of it', async (t) => {
  const folder = folderFor(t);
  const names = ['folder', 'pipe', 'large', 'empty', 'newline', 'space', 'twice', 'accent', 'cut', 'token', 'dangling'];
  const file = (name: string): string => join(folder, `${name}_api_key`);
  mkdirSync(file('folder'));
  execFileSync('mkfifo', ['-m', '600', file('pipe')]);
  put(file('large'), 'x'.repeat(64 * 1024 + 1));
  put(file('empty'), '');
  put(file('newline'), '\n');
  put(file('space'), `${secretA} ${secretB}`);
  put(file('twice'), `${secretA}\n\n`);
  put(file('accent'), `${secretA}é`);
  put(file('cut'), mintKey('sk').key.slice(0, -1));
  put(file('token'), mintKey('st').key);
  symlinkSync(join(folder, 'nowhere'), file('dangling'));
  const { source, warned } = await started(t, join(folder, '*_api_key'), plain(...names));
  assert.deepEqual(source.keys(), []);
  const said = warned.join('\n');
  for (const name of names.filter((one) => one !== 'dangling'))
    assert.match(said, new RegExp(`${name}_api_key: `), name);
  assert.doesNotMatch(said, /a4f1c09b|0b93de52|cs_sk_[0-9A-Za-z]{10}|xxxx/);
});

test('serves a weak shared key, as the stack chose it, and warns of it without showing it', async (t) => {
  const folder = folderFor(t);
  put(join(folder, 'embeddings_api_key'), 'changeme');
  const { holds, warned } = await started(t, join(folder, '*_api_key'), plain('embeddings'));
  assert.ok(holds('changeme'));
  assert.match(warned.join(), /has only 8 characters/);
  assert.doesNotMatch(warned.join(), /changeme/);
});

test('serves a key with what was pasted along, and warns of that without showing it', async (t) => {
  const folder = folderFor(t);
  put(join(folder, 'embeddings_api_key'), `"${secretA}"\n`);
  put(join(folder, 'aidb_api_key'), `AIDB_API_KEY=${secretB}\n`);
  const { holds, warned } = await started(t, join(folder, '*_api_key'), plain('embeddings', 'aidb'));
  assert.ok(holds(`"${secretA}"`));
  assert.match(warned.join('\n'), /embeddings_api_key: the key stands in quotes, which count as part of it/);
  assert.match(warned.join('\n'), /aidb_api_key: the key begins with a name and "="/);
  assert.doesNotMatch(warned.join(), /a4f1c09b|0b93de52/);
});

test('follows a key that another process replaces by renaming, and drops one that vanishes', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'embeddings_api_key');
  put(path, secretA);
  const { until, holds, source } = await started(t, join(folder, '*_api_key'), plain('embeddings'));
  const writer = spawn('/bin/sh', ['-c', `umask 077; printf %s ${secretB} > "$1.tmp" && mv "$1.tmp" "$1"`, 'sh', path]);
  await until(() => holds(secretB));
  assert.ok(!holds(secretA));
  assert.equal(source.keys()[0]?.credentialId, 'file:embeddings_api_key');
  await new Promise((resolve) => (writer.exitCode === null ? writer.once('exit', resolve) : resolve(null)));
  rmSync(path);
  await until(() => source.keys().length === 0);
});

test('never takes part of a key from two processes that replace the file by renaming', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'embeddings_api_key');
  put(path, secretA);
  const { source, holds } = await started(t, join(folder, '*_api_key'), plain('embeddings'));
  const script = `umask 077; i=0; while [ $i -lt 60 ]; do printf %s "$2" > "$1.$3" && mv "$1.$3" "$1"; i=$((i+1)); done`;
  const writers = [secretA, secretB].map((secret, index) =>
    spawn('/bin/sh', ['-c', script, 'sh', path, secret, String(index)]),
  );
  const running = new Set(writers);
  for (const writer of writers) writer.once('exit', () => running.delete(writer));
  let looks = 0;
  while (running.size > 0) {
    await source.refresh?.();
    looks += 1;
    assert.ok(holds(secretA) || holds(secretB), 'one whole key at every moment');
    assert.equal(source.keys().length, 1);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(looks > 0);
});

test('follows the swap of the ..data link with which Kubernetes updates a mounted secret', async (t) => {
  const folder = folderFor(t);
  for (const [version, secret] of [
    ['..v1', secretA],
    ['..v2', secretB],
  ] as const) {
    mkdirSync(join(folder, version));
    put(join(folder, version, 'embeddings_api_key'), secret);
  }
  symlinkSync('..v1', join(folder, '..data'));
  symlinkSync('..data/embeddings_api_key', join(folder, 'embeddings_api_key'));
  const { until, holds } = await started(t, join(folder, '*_api_key'), plain('embeddings'));
  assert.ok(holds(secretA));
  symlinkSync('..v2', join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  await until(() => holds(secretB) && !holds(secretA));
});

test('drops a key whose file is opened to others or emptied, and takes it back when it is mended', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'embeddings_api_key');
  put(path, secretA);
  const { until, holds, source } = await started(t, join(folder, '*_api_key'), plain('embeddings'));
  chmodSync(path, 0o644);
  await until(() => !holds(secretA));
  chmodSync(path, 0o600);
  await until(() => holds(secretA));
  writeFileSync(path, '');
  await until(() => !holds(secretA));
  assert.match(source.warnings().join(), /is empty/);
  writeFileSync(path, secretB);
  await until(() => holds(secretB));
  assert.deepEqual(source.warnings(), []);
});

test('finds a folder that comes later, and one that is replaced by another', async (t) => {
  const parent = folderFor(t);
  const folder = join(parent, 'secrets');
  const { until, holds } = await started(t, join(folder, '*_api_key'), plain('embeddings'), 20);
  mkdirSync(folder);
  put(join(folder, 'embeddings_api_key'), secretA);
  await until(() => holds(secretA));
  mkdirSync(join(parent, 'next'));
  put(join(parent, 'next', 'embeddings_api_key'), secretB);
  renameSync(folder, join(parent, 'old'));
  renameSync(join(parent, 'next'), folder);
  await until(() => holds(secretB));
  put(join(folder, 'embeddings_api_key'), secretA);
  await until(() => holds(secretA));
});

test('finds the file of a service that is configured later', async (t) => {
  const folder = folderFor(t);
  put(join(folder, 'embeddings_api_key'), secretA);
  const services = plain('other');
  const { source, until, holds } = await started(t, join(folder, '*_api_key'), services);
  assert.ok(!holds(secretA));
  services.push({ name: 'embeddings', apiKeyFile: null });
  await source.refresh?.();
  await until(() => holds(secretA));
});

test('keeps its keys while the machine has no file descriptor left to read them with', async (t) => {
  const folder = folderFor(t);
  put(join(folder, 'embeddings_api_key'), secretA);
  const script = `
    import { closeSync, openSync } from 'node:fs';
    import { secretFiles } from ${JSON.stringify(new URL('./secret-files.ts', import.meta.url).href)};
    const warned = [];
    const source = secretFiles({
      pattern: process.argv[1] + '/*_api_key',
      services: () => [{ name: 'embeddings', apiKeyFile: null }],
      onWarning: (text) => warned.push(text),
    });
    await source.start(() => {});
    const open = [];
    try {
      for (;;) open.push(openSync('/dev/null'));
    } catch {}
    // One for the folder, none for the file in it; then none at all.
    closeSync(open.pop());
    await source.refresh?.();
    const without = [source.keys().length];
    open.push(openSync('/dev/null'));
    await source.refresh?.();
    without.push(source.keys().length);
    for (const file of open) closeSync(file);
    await source.refresh?.();
    source.close();
    console.log(JSON.stringify({ without, after: source.keys().length, warned, now: source.warnings() }));`;
  const run = ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script, folder];
  const said = JSON.parse(execFileSync('/bin/sh', run, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));
  assert.deepEqual(said.without, [1, 1]);
  assert.equal(said.after, 1);
  assert.deepEqual(said.now, []);
  assert.match(said.warned.join(), /EMFILE/);
});
