import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../core/clock.ts';
import { sqliteStore } from '../../../stores/sqlite/store.ts';
import { keyRecord, useOf } from '../../../stores/store.fixtures.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

test('status misses the key that ended while it was in use, until its caller has another', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-status-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\nmode: enforce\nservices: { aidb: { upstream: http://127.0.0.1:9 } }\n',
  );
  const now = systemClock();
  const ended = { createdAt: now - 90 * 86_400, expiresAt: now - 3600 };
  const store = sqliteStore({ file: join(folder, 'state.db') });
  await store.migrate();
  await store.keys.insert(keyRecord('lives', { service: 'web', createdAt: now }));
  await store.keys.insert(keyRecord('unused', { ...ended, service: 'trial' }));
  await store.keys.insert(keyRecord('used', ended));
  await store.usage.add([useOf('used', { firstUsed: now - 86_400, lastUsed: now - 3700 })]);
  const status = () => cliHere(['status'], { cwd: folder });
  const found = await status();
  assert.equal(found.code, 1);
  assert.match(
    found.stdout,
    /^wanting +key used of aidb ended 1 h ago and nothing replaced it; it was last used 1 h ago .*: countersign keys create aidb --kind sk$/m,
  );
  assert.doesNotMatch(found.stdout, /key unused/);
  await store.keys.insert(keyRecord('next', { createdAt: now }));
  await store.close();
  assert.match((await status()).stdout, /all in order/);
});
