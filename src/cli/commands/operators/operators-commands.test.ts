import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../core/clock.ts';
import { accounts } from '../../../operators/account.ts';
import { tokens } from '../../../keys/tokens/tokens.ts';
import { login } from '../../../operators/login.ts';
import { sealWith } from '../../../crypto/seal.ts';
import { sqliteStore } from '../../../stores/sqlite/store.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

test('an operator is made without a password, logs in by the code, is reset and shut', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-operators-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\nservices:\n  echo: { upstream: http://127.0.0.1:1 }\n',
  );
  const cli = (...args: string[]) => cliHere(args, { cwd: folder });
  await cli('store', 'migrate');
  assert.equal((await cli('operators', 'create', 'ana', '--role', 'operator', '--dry-run')).code, 0);
  const made = await cli('operators', 'create', 'ana', '--role', 'operator', '--output', 'json');
  assert.equal(made.code, 0, made.stderr);
  const { login_code: code } = JSON.parse(made.stdout) as { login_code: string };
  assert.match(code, /^[\w-]{43}$/);
  assert.match((await cli('operators', 'create', 'ana')).stderr, /first login: countersign operators reset ana\n/);
  for (const args of [
    ['create', 'admin'],
    ['create', 'cli'],
    ['create', 'Ana'],
    ['create', 'ben', '--role', 'root'],
    ['disable', '../x'],
  ])
    assert.equal((await cli('operators', ...args)).code, 2, args.join(' '));
  assert.equal((await cli('operators', 'disable', 'ben')).code, 1);

  const store = sqliteStore({ file: join(folder, 'state.db') });
  t.after(() => store.close());
  const known = accounts({ records: store.records, clock: systemClock });
  const cost = { cost: 1024, blockSize: 8, parallelization: 1 };
  const gate = { accounts: known, limits: store.limits, clock: systemClock, seal: sealWith('ab'.repeat(32)), cost };
  const { first, prove } = login(gate);
  const chosen = 'plum tree behind the harbour';
  assert.equal((await first('ana', code, chosen, '::1')).result, 'right');
  assert.equal((await prove({ name: 'ana', password: chosen, code: '' }, '::1')).result, 'right');
  assert.doesNotMatch(JSON.stringify(await known.get('ana')), new RegExp(`${code}|${chosen}`));

  const life = tokens({ store, clock: systemClock });
  t.after(() => life.close());
  const mint = (createdBy: string) =>
    life.mint({ ttlSeconds: 60, scopes: [], allowedIps: [], clientId: null, metadata: {}, createdBy });
  const kept = await mint('operator:ben');
  await mint('operator:ana');
  const alive = async () => (await life.listActive(10)).map(({ tokenId }) => tokenId);
  assert.match((await cli('operators', 'reset', 'ana')).stderr, / at http:\/\/127\.0\.0\.1:8701\/dashboard\/ /);
  assert.equal((await alive()).length, 2, 'whoever lost a password goes on with what it made');
  assert.equal((await cli('operators', 'reset', 'ana', '--role', 'viewer')).code, 0);
  assert.deepEqual(await alive(), [kept.record.tokenId], 'a viewer could not have made it');
  await mint('operator:ana');
  const again = JSON.parse((await cli('operators', 'reset', 'ana', '--role', 'viewer', '-o', 'json')).stdout) as {
    login_code: string;
  };
  assert.equal((await prove({ name: 'ana', password: chosen, code: '' }, '::1')).result, 'wrong');
  const disabled = await cli('operators', 'disable', 'ana', '--output', 'json');
  assert.deepEqual(JSON.parse(disabled.stdout), { name: 'ana', disabled: true, tokens_revoked: 1, grants_ended: 0 });
  assert.deepEqual(await alive(), [kept.record.tokenId]);
  assert.equal((await first('ana', again.login_code, chosen, '::1')).result, 'wrong');
  const listed = JSON.parse((await cli('operators', 'list', '--output', 'json')).stdout) as object[];
  assert.deepEqual(
    listed.map((line) => ({ ...line, created_at: '' })),
    [{ name: 'ana', role: 'viewer', state: 'disabled', totp: false, openid: false, created_at: '' }],
  );
});
