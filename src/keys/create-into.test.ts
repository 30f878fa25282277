import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sealWith } from '../crypto/seal.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { createInto } from './create-into.ts';
import { revokeKey } from './revoke.ts';
import { fileTarget, isSecretOf } from './targets/index.ts';

test('a key that has ended makes room for a new one where its caller reads it; one that lives, or is not ours, does not', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-create-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'aidb.env');
  const target = fileTarget({ path, form: 'env' });
  const store = memoryStore();
  let now = 1_800_000_000;
  const options = { store, seal: sealWith('ab'.repeat(32)), clock: () => now, target };
  const make = (expiresAt: number | null, service = 'aidb') =>
    createInto({ service, kind: 'hs', expiresAt, scopes: [], allowedIps: [] }, options);
  await make(now + 60);
  await assert.rejects(make(null), { code: 'not_delivered', message: /holds a key already/ });
  now += 61;
  await assert.rejects(
    make(null, 'web'),
    { message: /holds a key already/ },
    'it is another caller who reads this file',
  );
  const second = await make(null);
  assert.ok(isSecretOf((await target.held()) ?? '', second));
  await revokeKey(store, second.id, now);
  const third = await make(null);
  assert.match(readFileSync(path, 'utf8'), new RegExp(`^SERVICE_ID=aidb\nSERVICE_KEY=cs_hs_${third.id}_`));
  await target.put('4f'.repeat(32), { service: 'aidb' });
  await assert.rejects(make(null), { message: /holds a key already/ });
});
