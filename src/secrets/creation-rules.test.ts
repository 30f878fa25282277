import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { creationRuleFor } from './creation-rules.ts';

/** A repository, and a link to it whose own folder somebody else has put rules in. */
function place(t: TestContext) {
  const outside = realpathSync(mkdtempSync(join(tmpdir(), 'countersign-rules-')));
  t.after(() => rmSync(outside, { recursive: true, force: true }));
  const repository = join(outside, 'home/repository');
  mkdirSync(join(repository, '.git'), { recursive: true });
  mkdirSync(join(repository, 'there'));
  const link = join(outside, 'link');
  symlinkSync(repository, link);
  writeFileSync(join(outside, '.sops.yaml'), 'creation_rules: [{ age: age1stranger }]\n');
  return { repository, link };
}

test('rules above the repository never count, whether or not the folder is there and by whatever link it is named', (t) => {
  const { repository, link } = place(t);
  for (const top of [repository, link])
    for (const folder of ['', 'there', 'new', 'new/deeper'])
      assert.equal(creationRuleFor(join(top, folder, 'secrets.sops.yaml')), null, join(top, folder));
});

test('rules within it count for a folder that is still to be made, by its place in the repository', (t) => {
  const { repository, link } = place(t);
  const rules = join(repository, '.sops.yaml');
  writeFileSync(rules, "creation_rules: [{ path_regex: '^new/deeper/', age: age1ours }]\n");
  for (const top of [repository, link]) {
    const rule = creationRuleFor(join(top, 'new/deeper/secrets.sops.yaml'));
    assert.deepEqual([rule?.file, rule?.recipients], [rules, ['age1ours']], top);
  }
});

test('rules that unfold without end, or lead nowhere, are refused in words', (t) => {
  const { repository } = place(t);
  const many = (name: string, of: string): string => `${name}: &${name} [${Array(9).fill(of).join(', ')}]\n`;
  const laughs = many('a', '1') + many('b', '*a') + many('c', '*b') + many('d', '*c');
  for (const text of [laughs, 'creation_rules: *nothing\n', 'creation_rules: 1\n', 'creation_rules: [']) {
    writeFileSync(join(repository, '.sops.yaml'), text);
    assert.throws(() => creationRuleFor(join(repository, 'secrets.sops.yaml')), { code: 'bundle_invalid' }, text);
  }
});

test('a path_regex that would be matched for years is refused', (t) => {
  const { repository } = place(t);
  writeFileSync(join(repository, '.sops.yaml'), "creation_rules: [{ path_regex: '^(a+)+$', age: age1ours }]\n");
  const bundle = join(repository, `${'a'.repeat(40)}_`);
  assert.throws(() => creationRuleFor(bundle), { code: 'bundle_invalid' });
});
