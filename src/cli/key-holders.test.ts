/** Whom the commands about a rollout take for known: as the servers do, whoever has a key, wherever it lies. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../core/clock.ts';
import { sqliteStore } from '../stores/sqlite/store.ts';
import { decisionRow } from '../stores/store.fixtures.ts';
import { cliHere } from '../../test/fixtures/cli-here.ts';

const yaml = `store: sqlite:state.db
mode: report
keys: [{ envFiles: keys/*.env }]
services:
  embeddings: { upstream: 'http://127.0.0.1:9' }
`;

test('a caller whose key lies in a file is known to simulate and to ramp, as it is to the servers', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-holders-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'keys'));
  writeFileSync(join(folder, 'countersign.yaml'), yaml);
  writeFileSync(join(folder, 'ramp.yaml'), 'steps:\n  - { routes: [embeddings/*] }\n');
  writeFileSync(join(folder, 'keys/old-cron.env'), `SERVICE_KEY=${'4f'.repeat(32)}\n`, { mode: 0o600 });
  const store = sqliteStore({ file: join(folder, 'state.db') });
  await store.migrate();
  const wrong = { outcome: 'would_deny', reason: 'invalid_signature', principal: '', route: '*' } as const;
  await store.decisions.append(
    ['service:old-cron', 'service:nobody'].map((claimed, index) => ({
      ...decisionRow(index, { ...wrong, claimed }),
      time: systemClock() - 60,
    })),
  );
  await store.close();
  const cli = (...args: string[]) => cliHere(args, { cwd: folder });
  const simulated = await cli('simulate', '--enforce');
  assert.equal(simulated.code, 1, simulated.stdout);
  const started = await cli('ramp', 'start', join(folder, 'ramp.yaml'), '--dry-run');
  assert.match(
    started.stderr,
    /step 1 would refuse today: service:old-cron\? at embeddings\/\* \(invalid_signature\)\n/,
  );
  assert.match((await cli('ramp', 'plan')).stdout, /To be mended first:\n.*service:old-cron\? at embeddings\/\*/);
});
