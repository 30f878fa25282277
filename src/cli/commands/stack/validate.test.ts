import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

test('a path with the prefix of its service, where nobody asks, is told of and refused nowhere', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-validate-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const routes = 'routes: [{ path: /aidb/query, callers: [web] }, { path: /aidbx }, { path: /x }]';
  writeFileSync(
    join(folder, 'countersign.yaml'),
    `services:
  aidb: { upstream: 'http://127.0.0.1:9', ${routes} }
  web: { upstream: 'http://127.0.0.1:9', hosts: [web.test], routes: [{ path: /web/x }] }
`,
  );
  const { code, stderr } = await cliHere(['validate'], { cwd: folder });
  assert.equal(code, 0);
  assert.equal(
    stderr,
    'note: the rule for /aidb/query of "aidb" holds for /aidb/aidb/query, since paths are without the prefix of the service; for /aidb/query write /query\n',
  );
});
