import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { systemClock } from '../../core/clock.ts';
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

test('a certificate that should have been renewed is told of, once, and again when it has ended', async (t) => {
  const authority = await testAuthority(t);
  const now = systemClock();
  const day = 86_400;
  const { cert, key } = authority.write('door', await authority.leaf('gateway'));
  const warned: string[] = [];
  const following = followTls({
    files: { cert, key, ca: null },
    what: 'tls',
    onChange: () => undefined,
    onWarning: (text) => warned.push(text),
    pollMillis: 50,
  });
  t.after(() => following.close());
  const told = async (from: number, to: number): Promise<readonly string[]> => {
    const before = warned.length;
    const issued = await authority.leaf('gateway', { notBefore: now + from * day, notAfter: now + to * day });
    authority.write('door', issued);
    await until(() => following.options?.cert === issued.certificate, 'the new one is taken up');
    return warned.slice(before).filter((text) => text.includes('the certificate in'));
  };
  assert.deepEqual(await told(-20, 10), [], 'it has a third of its life');
  assert.match((await told(-20, 2.1)).join(), /^tls: the certificate in \S+ ends in 2 days \(20\S+Z\): renew it$/);
  assert.deepEqual(await told(-20, 2.2), [], 'that was told');
  assert.match((await told(-20, 0.5)).join(), /ends in 1[12] h /);
  assert.match((await told(-20, -0.5)).join(), /ended 1[12] h ago /);
  assert.deepEqual(await told(-20, 10), []);
});
