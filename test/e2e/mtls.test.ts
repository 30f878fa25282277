/** The internal CA and mTLS as their users have them: the real program, openssl, curl and Python. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cliHere } from '../fixtures/cli-here.ts';
import { freePort } from '../fixtures/free-port.ts';
import { cleanEnvironment, startUpstream } from './program.ts';

const run = promisify(execFile);
const binary = join(import.meta.dirname, '../../bin/countersign');

interface Stack {
  readonly folder: string;
  readonly origin: string;
  /** A command; its JSON, one document a line. */
  cli(...args: string[]): Promise<Record<string, unknown>[]>;
  fails(...args: string[]): Promise<string>;
  /** With curl and a certificate of the folder. */
  curl(name: string): Promise<string>;
  serve(...args: string[]): Promise<void>;
}

async function stack(t: TestContext): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-mtls-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { url } = await startUpstream(t);
  const [port, adminPort] = [await freePort(), await freePort()];
  writeFileSync(
    join(folder, 'countersign.yaml'),
    `listen: 127.0.0.1:${port}
adminListen: 127.0.0.1:${adminPort}
store: sqlite:state.db
audit: { log: false }
callers: [aidb]
tls: { cert: gateway.crt, key: gateway.key, clientCa: ca.pem, trustDomain: stack.internal }
certificates:
  gateway: { folder: ., hosts: [localhost, 127.0.0.1] }
services:
  echo: { upstream: ${url}, accept: [client-certificate] }
`,
  );
  const options = { cwd: folder, env: cleanEnvironment() };
  const origin = `https://localhost:${port}`;
  return {
    folder,
    origin,
    async cli(...args) {
      const { code, stdout, stderr } = await cliHere([...args, '--output', 'json'], options);
      assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
      const text = stdout.trim();
      return text === '' ? [] : ([JSON.parse(text)].flat() as Record<string, unknown>[]);
    },
    async fails(...args) {
      const { code, stderr } = await cliHere(args, options);
      assert.notEqual(code, 0, args.join(' '));
      return stderr;
    },
    async curl(name) {
      const client = ['--cert', join(folder, `${name}.crt`), '--key', join(folder, `${name}.key`)];
      const args = ['-sS', '--max-time', '10', '--cacert', join(folder, 'ca.pem'), ...client, `${origin}/echo/`];
      return (await run('curl', args)).stdout;
    },
    async serve(...args) {
      const child = spawn(binary, ['serve', ...args], options);
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
      t.after(async () => {
        child.kill('SIGTERM');
        if (child.exitCode === null) await once(child, 'exit');
      });
      for (let count = 0; count < 2400 && !/^ready/m.test(said); count += 1) {
        assert.equal(child.exitCode, null, said);
        await pause(25);
      }
      assert.match(said, /the certificate of gateway was renewed \(it is not there yet\)/);
    },
  };
}

test('callers with certificates of the internal CA are served by every worker, and refused once these are revoked', async (t) => {
  const { folder, origin, cli, fails, curl, serve } = await stack(t);
  assert.match(await fails('ca', 'issue', 'aidb'), /there is no authority yet; make one with: countersign ca init/);
  await cli('ca', 'init');
  assert.match(await fails('ca', 'init'), /there is an authority already/);
  const [issued] = await cli('ca', 'issue', 'aidb', '--folder', folder, '--host', 'aidb.stack.internal');
  assert.equal(statSync(join(folder, 'aidb.key')).mode & 0o777, 0o600);
  assert.match(await fails('ca', 'issue', 'aidb', '--host', 'example.org'), /no name that the authority/);
  await serve('--workers', '2');

  const file = (name: string): string => join(folder, name);
  for (const name of ['aidb', 'gateway']) {
    const verified = await run('openssl', ['verify', '-x509_strict', '-CAfile', file('ca.pem'), file(`${name}.crt`)]);
    assert.match(verified.stdout, /: OK/);
  }
  assert.match(await curl('aidb'), /"upstream":true/);
  const script = `import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
context.load_cert_chain(sys.argv[2], sys.argv[3])
print(urllib.request.urlopen(sys.argv[4], context=context).read().decode())`;
  const python = await run('python3', [
    '-c',
    script,
    file('ca.pem'),
    file('aidb.crt'),
    file('aidb.key'),
    `${origin}/echo/`,
  ]);
  assert.match(python.stdout, /"upstream":\s*true/);

  await cli('ca', 'revoke', String(issued?.['serial']));
  let answer = '';
  for (let count = 0; count < 1000 && !answer.includes('revoked'); count += 1) {
    answer = await curl('aidb');
    await pause(20);
  }
  assert.equal((JSON.parse(answer) as { reason: string }).reason, 'revoked');
  const [{ certificates }] = (await cli('ca', 'list')) as [{ certificates: { service: string; revoked: boolean }[] }];
  assert.deepEqual(certificates.map(({ service, revoked }) => [service, revoked]).sort(), [
    ['aidb', true],
    ['gateway', false],
  ]);
});

test('a folder that is missing is made for a certificate, and where none can be, none is issued', async (t) => {
  const { folder, cli, fails } = await stack(t);
  await cli('ca', 'init');
  const issued = async (): Promise<number> => {
    const [{ certificates }] = (await cli('ca', 'list')) as [{ certificates: object[] }];
    return certificates.length;
  };
  const home = join(folder, 'etc', 'aidb', 'tls');
  await cli('ca', 'issue', 'aidb', '--folder', home);
  assert.equal(statSync(home).mode & 0o777, 0o700);
  assert.equal(statSync(join(home, 'aidb.key')).mode & 0o777, 0o600);
  assert.equal(await issued(), 1);
  const inFile = join(folder, 'countersign.yaml', 'tls');
  assert.match(
    await fails('ca', 'issue', 'aidb', '--folder', inFile),
    /countersign\.yaml\/tls cannot be made \(ENOTDIR\)/,
  );
  const config = readFileSync(join(folder, 'countersign.yaml'), 'utf8');
  writeFileSync(
    join(folder, 'countersign.yaml'),
    config
      .replace(/^tls: .*$/m, '')
      .replace('folder: .', 'folder: nowhere')
      .replace('accept: [client-certificate]', ''),
  );
  assert.match(await fails('ca', 'renew'), /nowhere\/gateway\.key cannot be written \(ENOENT\): its folder must exist/);
  assert.equal(await issued(), 1);
});

test('certificates are renewed when they are due, and the authority is rotated without a gap', async (t) => {
  const { folder, cli, fails } = await stack(t);
  const [{ serial: first }] = (await cli('ca', 'init')) as [{ serial: string }];
  const bundle = (): number => readFileSync(join(folder, 'ca.pem'), 'utf8').split('BEGIN CERTIFICATE').length - 1;
  const [one] = await cli('ca', 'renew', '--due');
  assert.deepEqual(await cli('ca', 'renew', '--due'), []);
  assert.match(await fails('ca', 'renew', 'nobody'), /keeps no certificate of nobody/);
  // A key of another certificate is as good as none.
  await cli('ca', 'issue', 'other', '--folder', folder);
  writeFileSync(join(folder, 'gateway.key'), readFileSync(join(folder, 'other.key')));
  const [two] = await cli('ca', 'renew', '--due');
  assert.notEqual(two?.['serial'], one?.['serial']);

  const [{ serial: next }] = (await cli('ca', 'rotate')) as [{ serial: string }];
  assert.match(await fails('ca', 'rotate'), /a new authority is waiting already/);
  assert.match(await fails('ca', 'revoke', first), /issues certificates: rotate it first/);
  await cli('ca', 'issue', 'other', '--folder', folder);
  assert.equal(bundle(), 2);
  await cli('ca', 'rotate', '--finish');
  assert.equal((await cli('ca', 'renew', '--due')).length, 1);
  await cli('ca', 'revoke', first);
  assert.match(await fails('ca', 'revoke', next), /issues certificates: rotate it first/);
  await cli('ca', 'issue', 'other', '--folder', folder);
  assert.equal(bundle(), 1);
  const verified = await run('openssl', ['verify', '-CAfile', join(folder, 'ca.pem'), join(folder, 'gateway.crt')]);
  assert.match(verified.stdout, /: OK/);
});
