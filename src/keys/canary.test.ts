/** No secret reaches a log line, an error, a principal or a record: canaries are sent down every way, the failing ones too. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import type { Store } from '../core/store.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { mintKey } from '../crypto/key-format.ts';
import { sealWith } from '../crypto/seal.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { createKey } from './create.ts';
import { importKey } from './import.ts';
import { keyring } from './keyring/keyring.ts';
import { revokeKey } from './revoke.ts';
import { envFiles, masterSeal, secretFiles } from './sources/index.ts';
import { tokens } from './tokens/tokens.ts';
import { mintRequest } from '../../test/fixtures/mint-request.ts';

const canary = 'Canary7f3Qz91LmPx4Vb8';
const now = 1_800_000_000;
const master = 'a1b2c3d4'.repeat(8);
const seal = sealWith(master);

function evidence() {
  const seen: string[] = [];
  const note = (thing: unknown): void =>
    void seen.push(typeof thing === 'string' ? thing : inspect(thing, { depth: 12, showHidden: true }));
  const attempt = async (work: () => unknown): Promise<void> => {
    try {
      note(await work());
    } catch (error) {
      note(error);
      note(inspect(error) + String((error as Error).stack));
    }
  };
  return { seen, note, attempt };
}

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-canary-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function fillFiles(folder: string): Promise<void> {
  const bodies = [
    canary,
    `${canary} ${canary}`,
    `${canary}\n\n`,
    `${canary}\u00e9`,
    `cs_sk_${canary}`,
    canary.repeat(4000),
  ];
  for (const [index, body] of bodies.entries()) {
    for (const mode of [0o600, 0o644]) {
      for (const [name, text] of [
        [`s${index}_${mode}_api_key`, body],
        [`e${index}_${mode}.env`, `SERVICE_KEY=${body}\n`],
        [`q${index}_${mode}.env`, `SERVICE_KEY="${body}\nSERVICE_ID=${canary}:\n`],
        [`i${index}_${mode}.env`, `SERVICE_KEY=${body}\nSERVICE_ID=${canary}:\n`],
      ] as const) {
        writeFileSync(join(folder, name), text);
        chmodSync(join(folder, name), mode);
      }
    }
  }
}

test('no warning, error, entry or record shows a secret', async (t) => {
  const { seen, note, attempt } = evidence();
  const folder = folderFor(t);
  await fillFiles(folder);
  const store: Store = memoryStore();

  const secrets = [canary];
  for (const kind of ['sk', 'hs'] as const) {
    const order = { service: 'aidb', kind, expiresAt: null, now };
    const { key, record } = await createKey(store, seal, order);
    secrets.push(key.slice(17));
    note(record);
    for (const secret of [canary, `${canary}-${kind}`, `${canary} x`, canary.slice(0, 9), `cs_sk_${canary}`, key])
      await attempt(() => importKey(store, seal, { ...order, secret }));
    for (const secret of [`${canary} x`, key.slice(0, -1), `file:${canary}`, key, canary])
      await attempt(() => revokeKey(store, secret, now));
    await createKey(store, sealWith('00'.repeat(32)), order);
    await attempt(() => importKey(store, seal, { ...order, service: `${canary}:`, secret: mintKey(kind).key }));
  }

  for (const env of [
    { COUNTERSIGN_MASTER_KEY: canary },
    { COUNTERSIGN_MASTER_KEY_FILE: join(folder, 's0_384_api_key') },
    { COUNTERSIGN_MASTER_KEY_FILE: join(folder, 's0_420_api_key') },
  ])
    await attempt(() => masterSeal({ env, folder, onNotice: note }));

  const services = Array.from({ length: 6 }, (_, index) => [`s${index}-384`, `s${index}-420`])
    .flat()
    .map((name) => ({ name, apiKeyFile: null }));
  const sources = [
    secretFiles({ pattern: join(folder, '*_api_key'), services: () => services, onWarning: note }),
    envFiles({ pattern: join(folder, '*.env'), onWarning: note }),
  ];
  const ring = await keyring({ store, seal, sources, clock: () => now, onWarning: note });
  t.after(() => ring.close());
  note(ring.warnings);
  note(ring.apiKey(sha256Hex(canary)));
  note(['aidb', 'e0_384'].map((service) => ring.macKeys(service)));
  note(sources.map((source) => source.keys()));

  const life = tokens({ store, clock: () => now });
  t.after(() => life.close());
  const { token, record } = await life.mint(mintRequest);
  secrets.push(token.slice(17));
  note(record);
  note(await life.find(sha256Hex(token)));

  assert.ok(ring.apiKey(sha256Hex(canary)) && ring.macKeys('e0_384').length === 1, 'the canaries were really read');
  assert.ok(seen.length > 60, `only ${seen.length} pieces of evidence`);
  for (const secret of [...secrets, master])
    for (const text of seen) assert.ok(!text.includes(secret), `a secret shows in: ${text.slice(0, 300)}`);
});
