import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cliHere } from '../../../../test/fixtures/cli-here.ts';

interface Key {
  readonly kid: string;
  readonly state: string;
}

test('the signing key is replaced by command, with overlap or at once, and both are in the audit', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-oauth-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const services = 'services:\n  echo: { upstream: http://127.0.0.1:1 }\n';
  writeFileSync(join(folder, 'countersign.yaml'), `store: sqlite:state.db\noauth: { server: {} }\n${services}`);
  const cli = (...args: string[]) => cliHere(args, { cwd: folder, env: { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) } });
  const keys = async () => JSON.parse((await cli('oauth', 'keys', '-o', 'json')).stdout) as Key[];
  assert.deepEqual(await keys(), []);
  const first = JSON.parse((await cli('oauth', 'rotate', '-o', 'json')).stdout) as Key;
  assert.equal((await cli('oauth', 'rotate', '--dry-run')).code, 0);
  const second = JSON.parse((await cli('oauth', 'rotate', '-o', 'json')).stdout) as Key;
  assert.deepEqual(
    (await keys()).map(({ kid }) => kid),
    [first.kid, second.kid],
  );
  const dry = await cli('oauth', 'rotate', '--withdraw', '--dry-run');
  assert.equal(dry.stdout, `would make  a new signing key, and withdraw ${first.kid}, and withdraw ${second.kid}\n`);
  const last = await cli('oauth', 'rotate', '--withdraw', '--reason', 'the host was stolen');
  assert.equal(last.code, 0, last.stderr);
  assert.match(last.stdout, new RegExp(`withdrawn {2}${first.kid}\nwithdrawn {2}${second.kid}\n`));
  const [only, ...others] = await keys();
  assert.deepEqual([only?.state, others], ['signs', []]);
  const { stdout } = await cli('audit', 'tail', '--events', '-o', 'json');
  const events = stdout.match(/"type":"oauth\.key\.rotated"/g) ?? [];
  assert.equal(events.length, 3, stdout);
  assert.match(stdout, /the host was stolen/);

  writeFileSync(join(folder, 'countersign.yaml'), `store: sqlite:state.db\n${services}`);
  assert.equal((await cli('oauth', 'rotate')).code, 1);
});

test('a client is made for addresses that keep its answers to itself, and for no other', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-clients-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'countersign.yaml'),
    'store: sqlite:state.db\noauth: { server: {} }\nservices:\n  echo: { upstream: http://127.0.0.1:1 }\n',
  );
  const make = (uri: string) => cliHere(['clients', 'create', 'agent', '--redirect-uri', uri], { cwd: folder });
  await cliHere(['store', 'migrate'], { cwd: folder });
  for (const uri of [
    'http://evil.example/cb',
    'http://10.0.0.7/cb',
    'javascript:alert(1)',
    'https://app.example/cb#f',
  ]) {
    const { code, stderr } = await make(uri);
    assert.equal(code, 2, uri);
    assert.match(stderr, /is no address for answers/);
  }
  for (const uri of ['https://app.example/cb', 'http://127.0.0.1/cb', 'http://[::1]:5555/cb', 'com.example.app:/cb'])
    assert.equal((await make(uri)).code, 0, uri);
});
