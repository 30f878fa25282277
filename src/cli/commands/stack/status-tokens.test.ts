import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

test('status does not find keys wanting where session tokens open the services', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-status-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'countersign.yaml'), 'services: { web: { upstream: http://127.0.0.1:8081 } }\n');
  const cli = (...args: string[]) => cliHere(args, { cwd: folder });
  const none = await cli('status');
  assert.equal(none.code, 1);
  assert.match(none.stdout, /wanting .*neither a key nor a session token.*every call is refused/);
  await cli('tokens', 'create');
  const { code, stdout } = await cli('status');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /tokens +1 active\nall in order/);
});
