import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

test('what the CA would do is told as JSON where that is asked for, and nothing is done', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-ca-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    `name: home\nservices: { a: { upstream: http://127.0.0.1:9 } }\ncertificates: { a: { folder: ${JSON.stringify(folder)} } }\n`,
  );
  const cli = (...args: string[]) => cliHere(args, { cwd: folder });
  const dry = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await cli('ca', ...args, '--dry-run', '--output', 'json');
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  assert.deepEqual(await dry('init'), { dry_run: true, name: 'home CA', trust_domain: 'stack.internal' });
  assert.equal((await cli('ca', 'list')).stdout, '');
  const made = await cli('ca', 'init', '--output', 'json');
  const { serial } = JSON.parse(made.stdout) as { serial: string };
  assert.deepEqual(await dry('rotate'), { dry_run: true, issues: false, before: serial });
  const file = join(folder, 'b.crt');
  assert.deepEqual(await dry('issue', 'b', '--folder', folder), { dry_run: true, service: 'b', file });
  assert.deepEqual(await dry('renew'), [{ dry_run: true, service: 'a', reason: 'it is not there yet' }]);
  assert.deepEqual(await dry('revoke', serial), { dry_run: true, serial });
  assert.match((await cli('ca', 'init', '--dry-run')).stdout, /^would make {2}home CA {2}stack\.internal\n$/);
});
