import assert from 'node:assert/strict';
import { test } from 'node:test';
import { person } from '../../../test/fixtures/sops.ts';
import { ruleFrom } from '../sops/rule.ts';
import { newSopsFile } from '../sops/sops-file.ts';
import { bundleVault } from './bundle-vault.ts';

test('a change that cannot be saved, or only in part, is in no later one', async () => {
  const file = await newSopsFile('yaml', ruleFrom({ unencrypted_suffix: '_open' }), [person('alice').recipient]);
  let full = false;
  const vault = bundleVault(file, () => {
    if (full) throw new Error('no space left');
  });
  vault.write({ password: 'old', password_next: 'next' });
  full = true;
  assert.throws(() => vault.write({ password: 'next', password_next: null }), /no space left/);
  full = false;
  // The second name cannot be kept: it would stand in the clear.
  assert.throws(() => vault.write({ password: 'other', password_open: 'x' }), { code: 'invalid_secret' });
  assert.deepEqual([vault.read('password'), vault.read('password_next')], ['old', 'next']);
  vault.write({ password_next: null });
  assert.deepEqual([vault.read('password'), vault.read('password_next')], ['old', null]);
});
