import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createKey } from '../../keys/create.ts';
import { sealWith } from '../../crypto/seal.ts';
import { loadCheckedConfig } from './checked-config.ts';
import { ConfigError, loadConfig } from './load.ts';
import { openStore } from '../open-store.ts';

const seal = sealWith('0'.repeat(64));

function stackFolder(t: TestContext, callers: string): { folder: string; file: string } {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-callers-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'countersign.yaml');
  writeFileSync(
    file,
    `store: sqlite:state.db
keys: [{ envFiles: '*.env' }]
services:
  embeddings:
    upstream: http://127.0.0.1:8081
    routes: [{ path: /embed, callers: [${callers}] }]
`,
  );
  return { folder, file };
}

test('a caller is known by its key, in the store or in a file', async (t) => {
  const { folder, file } = stackFolder(t, 'aidb, npu-worker');
  await assert.rejects(loadCheckedConfig(file, {}), /unknown caller "aidb"/);
  const store = await openStore(loadConfig(file, {}, { keyHolders: 'unchecked' }).store, {});
  await store.migrate();
  await createKey(store, seal, { service: 'aidb', kind: 'sk', expiresAt: null, scopes: [], allowedIps: [], now: 1 });
  await store.close();
  await assert.rejects(loadCheckedConfig(file, {}), (error: ConfigError) => {
    assert.deepEqual(
      error.faults.map(({ message }) => message),
      ['unknown caller "npu-worker"'],
    );
    return true;
  });
  writeFileSync(join(folder, 'npu-worker.env'), `SERVICE_KEY=${'a1'.repeat(32)}\n`, { mode: 0o600 });
  const config = await loadCheckedConfig(file, {});
  assert.deepEqual(config.services[0]?.rules[0]?.callers, ['aidb', 'npu-worker']);
});

test('with other faults in the way, unknown callers are said beside them', async (t) => {
  const { file } = stackFolder(t, 'nobody], methods: [get');
  await assert.rejects(loadCheckedConfig(file, {}), (error: ConfigError) => {
    assert.equal(error.faults.length, 2);
    return true;
  });
});

test('who gives a caller its key reads the file before the caller is known', (t) => {
  const { file } = stackFolder(t, 'aidb');
  assert.throws(() => loadConfig(file, {}), ConfigError);
  assert.equal(loadConfig(file, {}, { keyHolders: 'unchecked' }).services.length, 1);
});
