import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { systemClock } from '../../../core/clock.ts';
import { sqliteStore } from '../../../stores/sqlite/store.ts';
import { keyRecord, useOf } from '../../../stores/store.fixtures.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

/** A folder with a stack that enforces, and its empty store. */
async function place(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-status-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\nmode: enforce\nservices: { aidb: { upstream: http://127.0.0.1:9 } }\n',
  );
  const store = sqliteStore({ file: join(folder, 'state.db') });
  await store.migrate();
  return { folder, store };
}

test('status misses the key that ended while it was in use, until its caller has another', async (t) => {
  const { folder, store } = await place(t);
  const now = systemClock();
  const ended = { createdAt: now - 90 * 86_400, expiresAt: now - 3600 };
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

test('an older key of the same caller is no successor: each of two instances may have its own', async (t) => {
  const { folder, store } = await place(t);
  const now = systemClock();
  await store.keys.insert(keyRecord('older', { createdAt: now - 200 * 86_400 }));
  await store.keys.insert(keyRecord('ended', { createdAt: now - 70 * 86_400, expiresAt: now - 3600 }));
  await store.keys.insert(keyRecord('ending', { createdAt: now - 80 * 86_400, expiresAt: now + 86_400 }));
  await store.usage.add([useOf('ended', { firstUsed: now - 86_400, lastUsed: now - 3700 })]);
  const { code, stdout } = await cliHere(['status'], { cwd: folder });
  assert.equal(code, 1);
  assert.match(stdout, /key ended of aidb ended 1 h ago and nothing replaced it/);
  assert.match(stdout, /key ending of aidb ends in .* and has no successor: countersign keys rotate ending$/m);
  await store.keys.insert(keyRecord('next', { createdAt: now }));
  await store.close();
  assert.match((await cliHere(['status'], { cwd: folder })).stdout, /all in order/);
});
