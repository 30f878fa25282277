import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliHere } from '../../test/fixtures/cli-here.ts';

test('keys can be revoked and modes taken back where secret files are not, as only the server sees them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-absent-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  // As under `secrets run --dir`, or in a container whose secrets are mounted.
  const upstreamKey = `{ file: ${join(folder, 'mounted/aidb')} }`;
  writeFileSync(
    join(folder, 'countersign.yaml'),
    `services: { aidb: { upstream: http://127.0.0.1:8081, upstreamKey: ${upstreamKey} } }\n`,
  );
  const cli = (...args: string[]) => cliHere(args, { cwd: folder });
  const made = await cli('keys', 'create', 'laptop', '--output', 'json');
  assert.equal(made.code, 0, made.stderr);
  const { id } = JSON.parse(made.stdout) as { id: string };
  assert.equal((await cli('keys', 'revoke', id)).code, 0);
  assert.equal((await cli('mode', 'set', 'report')).code, 0);
  assert.equal((await cli('doctor')).code, 0);
  for (const command of ['status', 'validate', 'serve']) {
    const { code, stdout, stderr } = await cli(command);
    assert.equal(code, 1, command);
    assert.match(stdout + stderr, /mounted\/aidb does not exist/);
  }
});
