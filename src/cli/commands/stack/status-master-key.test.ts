import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

async function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-status-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'countersign.yaml'), 'services: { web: { upstream: http://127.0.0.1:8081 } }\n');
  const cli = (args: readonly string[], env: Record<string, string> = {}) => cliHere(args, { cwd: folder, env });
  const made = await cli(['keys', 'create', 'web', '--kind', 'hs', '--output', 'json']);
  const { id } = JSON.parse(made.stdout) as { id: string };
  const state = async (env: Record<string, string> = {}) => {
    const { code, stdout } = await cli(['status'], env);
    return { code, stdout };
  };
  return { key: join(folder, '.countersign/master.key'), id, state, cli };
}

test('status names the secrets that another master key sealed, of which a server serves none', async (t) => {
  const { id, state } = await place(t);
  assert.equal((await state()).code, 0);
  const other = await state({ COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) });
  assert.equal(other.code, 1);
  assert.match(other.stdout, new RegExp(`wanting .*sealed under another master key .*: ${id} of web\\. Give back `));
});

test('status finds a master key that a server would not take, and says what was not looked at without one', async (t) => {
  const { key, state } = await place(t);
  chmodSync(key, 0o644);
  const open = await state();
  assert.equal(open.code, 1);
  assert.match(open.stdout, /wanting .*master\.key: group or others can read .*chmod 600/);
  rmSync(key);
  const none = await state();
  assert.equal(none.code, 0);
  assert.match(none.stdout, /note .*whether sealed secrets open was not looked at: there is no master key: /);
});

test('a lost master key is not replaced by another one while secrets are sealed under it', async (t) => {
  const { key, id, cli } = await place(t);
  const copy = `${key}.copy`;
  copyFileSync(key, copy);
  rmSync(key);
  for (const args of [
    ['create', 'other', '--kind', 'hs'],
    ['rotate', 'web'],
  ]) {
    const refused = await cli(['keys', ...args]);
    assert.equal(refused.code, 1, args.join(' '));
    assert.match(refused.stderr, /there is no master key: .*master\.key is missing .*bring it back from a copy/);
    assert.equal(refused.stdout, '');
    assert.ok(!existsSync(key));
  }
  // API keys are sealed under nothing.
  assert.equal((await cli(['keys', 'create', 'reader'])).code, 0);
  copyFileSync(copy, key);
  assert.equal((await cli(['keys', 'create', 'other', '--kind', 'hs'])).code, 0);
  rmSync(key);
  // Lost for good: nothing that lives is sealed under it any more, and a new one may be made.
  const { stdout } = await cli(['keys', 'list', '--output', 'json']);
  const all = [...stdout.matchAll(/"id": ?"([^"]+)"/g)].map(([, one = '']) => one);
  assert.ok(all.includes(id));
  for (const one of all) assert.equal((await cli(['keys', 'revoke', one])).code, 0);
  assert.equal((await cli(['keys', 'create', 'web', '--kind', 'hs'])).code, 0);
});
