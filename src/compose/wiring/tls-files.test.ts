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
