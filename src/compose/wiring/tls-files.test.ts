import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { testAuthority } from '../../../test/fixtures/certificates.ts';
import { until } from '../../../test/fixtures/until.ts';
import { followTls } from './tls-files.ts';

test('files that are again what they were are fine, and what goes wrong afterwards is told again', async (t) => {
  const authority = await testAuthority(t);
  const { cert, key } = authority.write('door', await authority.leaf('gateway'));
  const own = readFileSync(key, 'utf8');
  const { privateKey: other } = await authority.leaf('gateway');
  const warned: string[] = [];
  let changes = 0;
  const following = followTls({
    files: { cert, key, ca: null },
    what: 'tls',
    onChange: () => void (changes += 1),
    onWarning: (text) => warned.push(text),
    pollMillis: 50,
  });
  t.after(() => following.close());
  for (let times = 0; times < 2; times += 1) {
    const before = warned.length;
    writeFileSync(key, other);
    await until(() => warned.length > before, 'the key of another certificate is told');
    assert.notEqual(following.fault, '');
    writeFileSync(key, own);
    await until(() => following.fault === '', 'the files fit again');
  }
  assert.equal(changes, 1);
});

test('a file without a certificate is a fault, and never means those that Node trusts', async (t) => {
  const authority = await testAuthority(t);
  const { cert, key } = authority.write('door', await authority.leaf('gateway'));
  const warned: string[] = [];
  let changes = 0;
  const following = followTls({
    files: { cert, key, ca: authority.ca },
    what: 'tls',
    onChange: () => void (changes += 1),
    onWarning: (text) => warned.push(text),
    pollMillis: 50,
  });
  t.after(() => following.close());
  for (const [path, text] of [
    [authority.ca, ''],
    [authority.ca, '# none yet\n'],
    [cert, ''],
  ] as const) {
    const own = readFileSync(path, 'utf8');
    writeFileSync(path, text);
    await until(() => following.fault !== '', 'what holds no certificate is told');
    assert.equal(warned.at(-1), `tls: ${path}: holds no certificate; what was read before stays in use`);
    assert.equal(following.options?.ca, authority.root.certificate);
    writeFileSync(path, own);
    await until(() => following.fault === '', 'the files fit again');
  }
  assert.equal(changes, 1);
  writeFileSync(authority.ca, '');
  const files = { cert: null, key: null, ca: authority.ca };
  const started = followTls({ files, what: 'tls', onChange: () => undefined, onWarning: () => undefined });
  t.after(() => started.close());
  assert.equal(started.options, null);
});
