import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../core/clock.ts';
import { testAuthority } from '../../../../test/fixtures/certificates.ts';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

test('status misses the renewal of a certificate before clients do, and looks at none that it may not read', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-status-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const authority = await testAuthority(t, join(folder));
  const now = systemClock();
  const lasting = (days: number) => ({ notBefore: now - 80 * 86_400, notAfter: now + days * 86_400 });
  authority.write('door', await authority.leaf('gateway', lasting(10.5)));
  authority.write('admin', await authority.leaf('gateway', lasting(40)));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    `store: sqlite:state.db
tls: { cert: door.crt, key: door.key }
adminTls: { cert: admin.crt, key: admin.key }
services: { aidb: { upstream: http://127.0.0.1:9 } }
`,
  );
  const status = () => cliHere(['status'], { cwd: folder });
  const found = await status();
  assert.equal(found.code, 1);
  assert.match(found.stdout, /^wanting +the certificate in \S+door\.crt ends in 10 days \(20\S+Z\): renew it$/m);
  assert.doesNotMatch(found.stdout, /admin\.crt/);
  rmSync(join(folder, 'door.crt'));
  assert.doesNotMatch((await status()).stdout, /ends in/);
});
