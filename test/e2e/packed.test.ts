/** What `npm pack` makes, installed into an empty folder as a user does it: the program, its imports and its files. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { freePort } from '../fixtures/free-port.ts';
import { rawExchange } from '../fixtures/gateway-door.ts';

const root = join(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const run = promisify(execFile);

/** What users may have beside the oldest, which the package names. */
const newestNode = '26.10.0';

/** Of an example of a stack with faults; its secrets open nothing. */
const planted = 'package/examples/ai-stack-before/.env';

// The Node of these tests first, and npm as it stands behind it, with whatever it needs to reach the registry.
const env = withNode(dirname(process.execPath));

/** It compiles everything and unpacks two Nodes, beside other tests: half a minute where nothing else runs. */
const timeout = 400_000;

test('the package works where nothing else is', { timeout }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-packed-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const npm = (args: readonly string[], cwd: string) => run('npm', [...args, '--no-audit', '--no-fund'], { cwd, env });
  await npm(['pack', '--silent', '--pack-destination', folder], root);
  const archive = join(folder, `countersign-${manifest.version}.tgz`);
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  await npm(['install', '--prefer-offline', '--omit=dev', '--omit=peer', archive], folder);
  const program = join(folder, 'node_modules/.bin/countersign');
  const countersign = async (...args: string[]): Promise<string> =>
    (await run(program, args, { cwd: folder, env })).stdout;

  await t.test('says its version and its commands', async () => {
    assert.match(await countersign('--version'), new RegExp(`\\b${manifest.version.replaceAll('.', '\\.')}\\b`));
    assert.match(await countersign('--help'), /\bserve\b/);
  });

  await t.test('is started as well by who gives the file of its command to node, as Plug and Play does', async () => {
    const file = join(folder, 'node_modules/countersign', manifest.bin.countersign);
    const { stdout, stderr } = await run(process.execPath, [file, '--version'], { cwd: folder, env });
    assert.deepEqual([stdout, stderr], [await countersign('--version'), '']);
  });

  await t.test('holds what the documents promise, and no tests', async () => {
    const home = join(folder, 'node_modules/countersign');
    for (const file of ['deploy/nginx/countersign/guard.conf', 'docs/countersign.schema.json', 'LICENSE'])
      assert.ok(existsSync(join(home, file)), file);
    const { stdout } = await run('tar', ['-tzf', archive]);
    assert.deepEqual(
      stdout
        .split('\n')
        .filter(
          (path) => /\.test\.|\.contract\.|\.fixtures\.|\/src\/|\.map$|\.env$|state\.db/.test(path) && path !== planted,
        ),
      [],
    );
  });

  await t.test('can be imported by every name that it exports', async () => {
    const optional = Object.keys(manifest.peerDependenciesMeta);
    const names: string[] = [];
    for (const [name, target] of Object.entries<string | { types: string; default: string }>(manifest.exports)) {
      if (typeof target === 'string') continue;
      const source = readFileSync(join(folder, 'node_modules/countersign', target.default), 'utf8');
      assert.ok(existsSync(join(folder, 'node_modules/countersign', target.types)), name);
      // The frameworks themselves are not installed here: an adapter may take their types, never their code.
      for (const peer of optional) assert.doesNotMatch(source, new RegExp(`from '${peer}['/]`), `${name}: ${peer}`);
      names.push(`countersign${name.slice(1)}`);
    }
    const imports = `for (const name of ${JSON.stringify(names)})
      if (Object.keys(await import(name)).length === 0) throw new Error(name);`;
    await run(process.execPath, ['--input-type=module', '-e', imports], { cwd: folder, env });
  });

  // With the Node between them every other test is run.
  const versions = [String(manifest.engines.node).replace('>=', ''), newestNode];
  // The package `node` brings a Node by a script; named itself, it needs none.
  const nodePackage = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const place = join(folder, 'nodes');
  mkdirSync(place);
  writeFileSync(join(place, 'package.json'), '{"private":true}');
  const aliases = versions.map((version) => `node-${version}@npm:${nodePackage}@${version}`);
  await npm(['install', '--prefer-offline', ...aliases], place);
  const nodes = Object.fromEntries(
    versions.map((version) => [`Node ${version}`, withNode(join(place, 'node_modules', `node-${version}`, 'bin'))]),
  );

  for (const [name, itsEnv] of Object.entries(nodes))
    await t.test(`guards a service on ${name}, with keys, limits, signatures and modes`, async (inner) => {
      const { stdout: running } = await run('node', ['--version'], { env: itsEnv });
      assert.ok(running.replace('v', 'Node ').startsWith(name), running);
      const upstream = createServer((_req, res) => void res.end('through')).listen(0, '127.0.0.1');
      upstream.on('upgrade', (_req, socket) => void socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
      inner.after(() => upstream.close());
      await once(upstream, 'listening');
      const [port, adminPort] = [await freePort(), await freePort()];
      const stack = mkdtempSync(join(folder, 'stack-'));
      writeFileSync(
        join(stack, 'countersign.yaml'),
        `listen: 127.0.0.1:${port}
adminListen: 127.0.0.1:${adminPort}
mode: enforce
callers: [aidb, signer]
services:
  echo:
    upstream: 'http://127.0.0.1:${(upstream.address() as AddressInfo).port}'
    routes: [{ path: /rare, rateLimit: { limit: 1, per: 60s } }]
`,
      );
      const command = async (...args: string[]): Promise<string> =>
        (await run(program, args, { cwd: stack, env: itsEnv })).stdout;
      const { key } = JSON.parse(await command('keys', 'create', 'aidb', '--output', 'json'));
      await command('keys', 'create', 'signer', '--kind', 'hs', '--to', 'signer.key');
      const server = spawn(program, ['serve'], { cwd: stack, env: itsEnv, stdio: ['ignore', 'ignore', 'pipe'] });
      const ended = once(server, 'close');
      inner.after(async () => {
        server.kill('SIGTERM');
        await ended;
      });
      await once(server.stderr, 'data');
      const ask = async (path: string, headers: Record<string, string>): Promise<[number, string]> => {
        for (;;) {
          const answer = await fetch(`http://127.0.0.1:${port}/echo${path}`, { headers }).catch(() => null);
          if (answer) return [answer.status, await answer.text()];
          assert.equal(server.exitCode, null, 'the server ended');
        }
      };
      assert.equal((await ask('/x', {}))[0], 401);
      assert.deepEqual(await ask('/x', { 'x-api-key': key }), [200, 'through']);
      // Whatever follows would be another protocol's, past all rules.
      for (const [method, offered] of [
        ['GET', 'h2c'],
        ['POST', 'websocket'],
      ] as const) {
        const offer = `${method} /echo/x HTTP/1.1\r\nHost: a\r\nx-api-key: ${key}\r\nConnection: Upgrade\r\nUpgrade: ${offered}\r\n`;
        const reply = await rawExchange(port, `${offer}Content-Length: 2\r\n\r\nok`);
        assert.match(reply, /^HTTP\/1\.1 (?:200 OK|400 Bad Request)\r\n/, offered);
      }
      assert.equal((await ask('/rare', { 'x-api-key': key }))[0], 200);
      assert.equal((await ask('/rare', { 'x-api-key': key }))[0], 429);
      const url = `http://127.0.0.1:${port}/echo/signed`;
      const sign = ['sign', '--scheme', 'http-signature', '--key-file', 'signer.key', '--service', 'signer'];
      assert.match(await command(...sign, '--send', 'GET', url), /^200 +through$/m);
      await command('mode', 'set', 'report', '--all');
      await command('mode', 'reset', '--all');
      assert.match(await command('report'), /^requests /m);
    });
});

function withNode(bin: string): NodeJS.ProcessEnv {
  return { ...process.env, PATH: [bin, process.env['PATH'] ?? ''].join(delimiter) };
}
