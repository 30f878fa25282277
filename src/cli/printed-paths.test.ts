import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { cliHere } from '../../test/fixtures/cli-here.ts';

function folderWithSpace(t: TestContext): string {
  const above = mkdtempSync(join(tmpdir(), 'countersign-paths-'));
  t.after(() => rmSync(above, { recursive: true, force: true }));
  const folder = join(above, 'my stack');
  mkdirSync(folder);
  return folder;
}

test('a command that is printed can be pasted where a path has a space', async (t) => {
  const folder = folderWithSpace(t);
  const key = join(folder, 'web_api_key');
  writeFileSync(key, 'k'.repeat(40), { mode: 0o644 });
  writeFileSync(join(folder, 'mcp.json'), '{"mcpServers": {"notes": {"command": "cat", "env": {"NOTES_KEY": "x"}}}}');
  chmodSync(join(folder, 'mcp.json'), 0o644);
  const text = `mcpConfig: mcp.json\nkeys: [{ files: "${key}" }]\nservices: { web: { upstream: http://127.0.0.1:8081 } }\n`;
  const config = join(folder, 'countersign.yaml');
  writeFileSync(config, text);
  chmodSync(config, 0o666);
  const { stderr } = await cliHere(['validate'], { cwd: folder });
  const printed = [...stderr.matchAll(/run: (chmod .*)$/gm)].map(([, command = '']) => command);
  assert.equal(printed.length, 3, stderr);
  for (const command of printed) execFileSync('sh', ['-c', command]);
  assert.deepEqual(
    [key, join(folder, 'mcp.json'), config].map((file) => statSync(file).mode & 0o777),
    [0o600, 0o600, 0o664],
  );
});

test('the next steps of init name a configuration with a space as one word', async (t) => {
  const folder = folderWithSpace(t);
  const { stderr } = await cliHere(['init', '--admin-token'], { cwd: folder });
  assert.match(stderr, /AUTH_ADMIN_TOKEN_FILE='[^']*my stack\/\.countersign\/admin_token' countersign serve/);
  assert.match(stderr, /countersign validate --config '[^']*my stack\/countersign\.yaml'/);
});

test('the admin token that init advises is one of the same stack', async (t) => {
  const folder = folderWithSpace(t);
  const { stderr } = await cliHere(['init', '--config', 'other.yaml'], { cwd: folder });
  const advised = /needed: countersign (init --config '[^']*other\.yaml' --admin-token)$/m.exec(stderr)?.[1];
  assert.ok(advised, stderr);
});
