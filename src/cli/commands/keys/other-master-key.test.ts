import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

test('a key that is sealed under another master key than those of the store is made, and warned of', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'countersign-keys-'));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  writeFileSync(join(cwd, 'countersign.yaml'), "services: { aidb: { upstream: 'http://127.0.0.1:9' } }\n");
  const making = async (master: string, args: readonly string[], stdin = '') => {
    const env = { COUNTERSIGN_MASTER_KEY: master.repeat(32) };
    const { code, stderr } = await cliHere(['keys', ...args, 'aidb'], { cwd, env, stdin });
    assert.equal(code, 0, stderr);
    return /warning: there are HMAC secrets in the store that do not open with this COUNTERSIGN_MASTER_KEY/.test(
      stderr,
    );
  };
  assert.equal(await making('ab', ['create', '--kind', 'hs']), false);
  assert.equal(await making('ab', ['create', '--kind', 'hs']), false);
  assert.equal(await making('cd', ['create', '--kind', 'hs']), true);
  assert.equal(await making('cd', ['create', '--kind', 'hs', '--to', join(cwd, 'aidb.env')]), true);
  assert.equal(await making('cd', ['import', '--kind', 'hs'], '5c1e07d3b9a24f8860d1e7f2c3b4958a7d6e0f11'), true);
  assert.equal(await making('cd', ['create']), false);
});
