import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { sha256Hex } from '../../crypto/digest.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { mintKey } from '../../crypto/key-format.ts';
import { envFiles } from './env-files.ts';

const secret = '5c1e07d3b9a24f8860d1e7f2c3b4958a7d6e0f1122334455a6b7c8d9e0f10213';

async function read(t: TestContext, files: Record<string, string>, mode = 0o600, pattern = '*.env') {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-env-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode });
  const warned: string[] = [];
  const source = envFiles({ pattern: join(folder, pattern), onWarning: (text) => warned.push(text) });
  t.after(() => source.close());
  await source.start(() => {});
  return { source, said: warned.join('\n') };
}

test('takes the HMAC secret of SERVICE_ID, or of the base name when the file names none', async (t) => {
  const { source, said } = await read(t, {
    'first.env': `# key\r\nexport SERVICE_ID="aidb"\r\nSERVICE_KEY='${secret}' # keep\r\n`,
    'hybrid-coordinator.env': `SERVICE_KEY=${secret}\n`,
  });
  assert.equal(said, '');
  assert.deepEqual(
    source.keys().map(({ kind, service, credentialId, digest }) => ({ kind, service, credentialId, digest })),
    [
      { kind: 'hs', service: 'aidb', credentialId: 'env:first.env', digest: sha256Hex(secret) },
      {
        kind: 'hs',
        service: 'hybrid-coordinator',
        credentialId: 'env:hybrid-coordinator.env',
        digest: sha256Hex(secret),
      },
    ],
  );
});

test('the HMAC key is the UTF-8 bytes of the key as written: hex is not decoded', async (t) => {
  const { source } = await read(t, { 'aidb.env': `SERVICE_KEY=${secret}` });
  const [found] = source.keys();
  assert.ok(found?.kind === 'hs');
  assert.equal(found.key.hex('m'), hmacSha256(Buffer.from(secret, 'utf8')).hex('m'));
});

test('warns of a file without a usable key, by its path, and shows none of it', async (t) => {
  const { source, said } = await read(t, {
    'none.env': 'SERVICE_ID=aidb\n',
    'blank.env': 'SERVICE_KEY=\n',
    'quote.env': `SERVICE_KEY="${secret}\n`,
    'colon.env': `SERVICE_ID=a:b\nSERVICE_KEY=${secret}\n`,
    'space.env': `SERVICE_KEY='${secret} ${secret}'\n`,
    'api.env': `SERVICE_KEY=${mintKey('sk').key}\n`,
    'bad name.env': `SERVICE_KEY=${secret}\n`,
  });
  assert.deepEqual(source.keys(), []);
  for (const name of ['none', 'blank', 'quote', 'colon', 'space', 'api', 'bad name'])
    assert.ok(said.includes(`${name}.env:`), name);
  assert.match(said, /quote\.env:1: /);
  assert.doesNotMatch(said, /5c1e07d3|cs_sk_[0-9A-Za-z]{10}/);
});

test('of a file of settings it says what such a file holds, and of a file called .env alone where to name the caller', async (t) => {
  const settings = await read(t, { '.env': 'AIDB_KEY=7f3c9d2e-aidb-5b1a4c8e\n' }, 0o600, '.env');
  assert.match(settings.said, /\.env: has no SERVICE_KEY=: .*one caller; .*countersign keys import NAME --kind sk/);
  const nameless = await read(t, { '.env': `SERVICE_KEY=${secret}\n` }, 0o600, '.env');
  assert.match(nameless.said, /\.env: write SERVICE_ID= into it, .*: a service id is 1 to 128/);
  const wrong = await read(t, { 'aidb.env': `SERVICE_ID=a:b\nSERVICE_KEY=${secret}\n` });
  assert.match(wrong.said, /aidb\.env: SERVICE_ID: a service id is/);
});

test('refuses a .env file that others can read', async (t) => {
  const { source, said } = await read(t, { 'aidb.env': `SERVICE_KEY=${secret}` }, 0o644);
  assert.deepEqual(source.keys(), []);
  assert.match(said, /aidb\.env: .*0644.*chmod 600/);
});
