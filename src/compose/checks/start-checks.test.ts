import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { mintKey } from '../../crypto/key-format.ts';
import type { Env } from '../env.ts';
import { parseConfig } from '../load/load.ts';
import { createStack } from '../stack.ts';

const text = `store: memory
services:
  embeddings: { upstream: 'http://127.0.0.1:9001' }
`;
const strong = 'Zk3vQ8wR1tY6uI0pL5sD2fG7hJ4kX9cV';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-start-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A stack, and what it said so far. */
async function started(t: TestContext, yaml: string, env: Env, folder?: string) {
  const warnings: string[] = [];
  const file = folder === undefined ? null : join(folder, 'countersign.yaml');
  const stack = await createStack({
    config: parseConfig(yaml, { file, env }),
    env,
    warn: (warning) => warnings.push(warning),
  });
  t.after(() => stack.close());
  return { stack, warnings };
}

test('warns of an admin token that no request can show', async (t) => {
  for (const [secret, words] of [
    ['two words of a length that would do otherwise', /white space/],
    ['ein-schlüssel-von-ordentlicher-länge', /not printable ASCII/],
    [mintKey('sk').key, /is an API key \(cs_sk_…\)/],
  ] as const) {
    const { warnings } = await started(t, text, { AUTH_ADMIN_TOKEN: secret });
    assert.match(warnings[0] ?? '', /^AUTH_ADMIN_TOKEN .*nobody is the admin/);
    assert.match(warnings[0] ?? '', words);
    assert.ok(!warnings.join().includes(secret));
  }
});

test('is not said to refuse everything while session tokens live that a service takes', async (t) => {
  const folder = folderFor(t);
  const own = text.replace('store: memory', 'store: sqlite:state.db');
  const first = await started(t, own, {}, folder);
  assert.match(first.warnings.join(), /every guarded request will be refused/);
  const minted = { scopes: [], allowedIps: [], clientId: null, metadata: {}, createdBy: 'operator:admin' };
  await first.stack.tokens.mint({ ...minted, ttlSeconds: 60 });
  assert.deepEqual((await started(t, own, {}, folder)).warnings, []);
  const keysOnly = own.replace('{ upstream', '{ accept: [api-key], upstream');
  assert.match((await started(t, keysOnly, {}, folder)).warnings.join(), /every guarded request will be refused/);
});

test('a reload says which secret of the environment counts only after a restart', async (t) => {
  const file = join(folderFor(t), 'admin');
  writeFileSync(file, strong, { mode: 0o600 });
  const env = { AUTH_ADMIN_TOKEN_FILE: file };
  const { stack, warnings } = await started(t, text, env);
  const again = () => {
    warnings.length = 0;
    stack.reload(parseConfig(text, { file: null, env: {} }));
    return warnings.join();
  };
  assert.equal(again(), '');
  writeFileSync(file, `${strong}-another`);
  assert.match(again(), /^AUTH_ADMIN_TOKEN_FILE .*after a restart/);
  assert.ok(stack.admin.isAdminToken(strong));
});
