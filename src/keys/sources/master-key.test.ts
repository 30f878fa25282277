import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { masterSeal } from './master-key.ts';

const hex = '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff';
const context = { id: 'abcdefghij', service: 'aidb', kind: 'hs' };

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-master-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const silent = (): void => {};

test('makes the key on first need, 0600 in a folder of 0700, and says where but not what', (t) => {
  const folder = join(folderFor(t), '.countersign');
  const notices: string[] = [];
  const seal = masterSeal({ env: {}, folder, onNotice: (text) => notices.push(text) });
  assert.ok(!existsSync(folder), 'nothing is made before it is needed');
  const sealed = seal.seal('the secret', context);
  const path = join(folder, 'master.key');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(folder), ['master.key']);
  assert.equal(notices.length, 1);
  assert.ok(notices[0]?.includes(path));
  assert.ok(!notices[0]?.includes(readFileSync(path, 'utf8').trim()));
  assert.equal(masterSeal({ env: {}, folder, onNotice: silent }).open(sealed, context), 'the secret');
});

test('opens with a key that another process made after the start', (t) => {
  const folder = folderFor(t);
  const early = masterSeal({ env: {}, folder, onNotice: silent });
  const sealed = masterSeal({ env: {}, folder, onNotice: silent }).seal('the secret', context);
  assert.equal(early.open(sealed, context), 'the secret');
});

test('of several processes that need a key at once, all use the one that was made first', async (t) => {
  const folder = join(folderFor(t), 'state');
  const script = `
    import { masterSeal } from ${JSON.stringify(new URL('./master-key.ts', import.meta.url).href)};
    const seal = masterSeal({ env: {}, folder: process.argv[1], onNotice: () => console.error('made') });
    process.stdout.write(seal.seal('the secret', ${JSON.stringify(context)}));`;
  const answers = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder]);
      let [out, err] = ['', ''];
      child.stdout.on('data', (data: Buffer) => (out += data.toString()));
      child.stderr.on('data', (data: Buffer) => (err += data.toString()));
      const code = await new Promise((resolve) => child.once('close', resolve));
      assert.equal(code, 0, err);
      return { out, made: err.includes('made') };
    }),
  );
  assert.equal(answers.filter(({ made }) => made).length, 1);
  const seal = masterSeal({ env: {}, folder, onNotice: silent });
  for (const { out } of answers) assert.equal(seal.open(out, context), 'the secret');
  assert.deepEqual(readdirSync(folder), ['master.key']);
});

test('COUNTERSIGN_MASTER_KEY, or the file that _FILE names, is used before any file of ours', (t) => {
  const folder = folderFor(t);
  const file = join(folder, 'given');
  writeFileSync(file, `${hex}\n`, { mode: 0o600 });
  const sealed = masterSeal({ env: { COUNTERSIGN_MASTER_KEY: hex }, folder, onNotice: silent }).seal('s', context);
  const fromFile = masterSeal({ env: { COUNTERSIGN_MASTER_KEY_FILE: file }, folder: null, onNotice: silent });
  assert.equal(fromFile.open(sealed, context), 's');
  assert.ok(!existsSync(join(folder, 'master.key')));
});

test('refuses a key that cannot be used, at once, saying what to do and showing none of it', (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'master.key');
  const wrong = hex.slice(1);
  const fails = (env: Record<string, string>, where: string | null, pattern: RegExp): void =>
    assert.throws(
      () => masterSeal({ env, folder: where, onNotice: silent }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'master_key');
        assert.match(error.message, pattern);
        assert.ok(!error.message.includes(wrong));
        return true;
      },
    );
  fails({ COUNTERSIGN_MASTER_KEY: wrong }, folder, /COUNTERSIGN_MASTER_KEY: a master key is 64 hex.*openssl rand/);
  fails({ COUNTERSIGN_MASTER_KEY: hex, COUNTERSIGN_MASTER_KEY_FILE: path }, folder, /not both/);
  fails({ COUNTERSIGN_MASTER_KEY_FILE: join(folder, 'none') }, folder, /COUNTERSIGN_MASTER_KEY_FILE: .*ENOENT/);
  fails(
    {},
    null,
    /COUNTERSIGN_MASTER_KEY is not set, and this store needs it: the one that its servers have, or for a new store/,
  );
  writeFileSync(path, wrong, { mode: 0o600 });
  fails({}, folder, /master\.key: a master key is 64 hex/);
  writeFileSync(path, hex);
  chmodSync(path, 0o640);
  fails({}, folder, /mode 0640.*chmod 600/);
});

test('without any key, what was sealed does not open and the reason is said', (t) => {
  const seal = masterSeal({ env: {}, folder: folderFor(t), onNotice: silent });
  assert.throws(() => seal.open('v1.AAAA', context), { code: 'master_key', message: /master\.key is missing/ });
});
