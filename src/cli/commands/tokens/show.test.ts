import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { tokenRecord } from '../../../stores/store.fixtures.ts';
import { sqliteStore } from '../../../stores/sqlite/store.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

test('what another program wrote into a token gives the terminal no orders', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-tokens-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\nservices: { web: { upstream: http://127.0.0.1:8081 } }\n',
  );
  const store = sqliteStore({ file: join(folder, 'state.db') });
  await store.migrate();
  const record = tokenRecord(1, { clientId: '\u001b[31mred\nstate  revoked', scopes: ['a\u0007'] });
  await store.tokens.insert(record);
  await store.close();
  const { stdout } = await cliHere(['tokens', 'show', record.tokenId], { cwd: folder });
  assert.match(stdout, /^client_id +\uFFFD\[31mred\uFFFDstate {2}revoked$/m);
  assert.match(stdout, /^scopes +a\uFFFD$/m);
});
