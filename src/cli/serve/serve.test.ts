/** The running server, and the commands that change it from outside. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, get, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { cleanEnvironment, runCli, startUpstream, type Program } from '../../../test/e2e/program.ts';
import { startServer } from '../../../test/fixtures/cli-here.ts';
import { until } from '../../../test/fixtures/until.ts';

const binary = join(import.meta.dirname, '../../../bin/countersign');

function yaml(upstream: string, mode = 'enforce'): string {
  return `mode: ${mode}
services:
  embeddings:
    upstream: ${upstream}
    routes:
      - { path: /health, access: public }
`;
}

async function status(program: Program, key?: string, path = '/embeddings/x'): Promise<number> {
  const response = await fetch(program.origin + path, key === undefined ? {} : { headers: { 'x-api-key': key } });
  await response.arrayBuffer();
  return response.status;
}

test('a key is good on the running server as soon as it is made, and dead as soon as it is revoked', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url) });
  const created = await program.cli(['keys', 'create', 'aidb', '--output', 'json']);
  const { id, key } = JSON.parse(created.stdout) as { id: string; key: string };
  await until(async () => (await status(program, key)) === 200);
  await program.cli(['keys', 'revoke', id]);
  await until(async () => (await status(program, key)) === 401);

  const who = await program.cli(['whoami'], key);
  assert.equal(who.code, 1);
  const { key: second } = JSON.parse((await program.cli(['keys', 'create', 'aidb', '--output', 'json'])).stdout) as {
    key: string;
  };
  await until(async () => (await status(program, second)) === 200);
  for (const pasted of [` ${second}`, `${second} \n`, `Bearer ${second}`]) {
    const { code, stdout, stderr } = await program.cli(['whoami'], pasted);
    assert.deepEqual([code, stdout], [1, ''], 'a key with a space about it is nobody, least of all the admin');
    assert.match(stderr, /the credential holds white space/);
  }
  const lines = await program.cli(['whoami'], second);
  assert.match(lines.stdout, /^caller {2}service:aidb\nid {6}\w{10}\nsince {3}20\d\d-\S+Z\nuntil {3}it is revoked\n$/);
  const known = await program.cli(['whoami', '--output', 'json'], `${second}\n`);
  assert.equal(known.code, 0, known.stderr);
  assert.equal((JSON.parse(known.stdout) as { active: boolean }).active, true);
  assert.match(known.stdout, /service:aidb/);
  for (const url of ['http://me:s3cret@127.0.0.1:1', 'http://me:s3cret @x:y', `${program.origin}/embeddings`]) {
    const wrong = await program.cli(['whoami', '--url', url], second);
    assert.equal(wrong.code, 2, wrong.stderr);
    assert.match(wrong.stderr, /--url is where the gateway listens/);
    assert.doesNotMatch(wrong.stderr, /s3cret/);
  }

  const shown = program.stdout() + program.stderr() + known.stdout;
  for (const secret of [key, second]) assert.equal(shown.includes(secret.slice(17, 60)), false);
});

test('a mode set from outside holds at once, and across a restart', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url, 'report') });
  assert.match(program.stderr(), /embeddings {2}report {3}to http/);
  assert.equal(await status(program), 200);
  assert.equal((await program.cli(['mode', 'set', 'enforce', 'embeddings'])).code, 0);
  await until(async () => (await status(program)) === 401);

  const report = async (): Promise<{ requests: number; would_deny: number; denied: number }> =>
    JSON.parse((await program.cli(['report', '--since', '1h', '--output', 'json'])).stdout) as {
      requests: number;
      would_deny: number;
      denied: number;
    };
  await until(async () => (await report()).denied > 0);
  const { would_deny: would } = await report();
  assert.ok(would >= 1);
  const tail = await program.cli(['audit', 'tail', '--outcome', 'deny', '-n', '1', '--output', 'json']);
  const decision = JSON.parse(tail.stdout) as { event: string; reason: string; request_id: string };
  assert.deepEqual([decision.event, decision.reason], ['auth.decision', 'missing_credentials']);
  const lines = (await program.cli(['audit', 'tail', '--request', decision.request_id])).stdout.trimEnd().split('\n');
  assert.equal(lines.length, 1);
  assert.ok(lines[0]?.includes(`  ${decision.request_id}  `), lines[0]);
  const other = await program.cli(['audit', 'tail', '--request', 'unheard-of']);
  assert.deepEqual([other.code, other.stdout], [0, '']);
  assert.match(other.stderr, /No decisions are kept that match/);

  const ended = once(program.process, 'exit');
  program.process.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  const again = spawn(binary, ['serve'], {
    cwd: program.folder,
    env: cleanEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => again.kill('SIGKILL'));
  let stderr = '';
  again.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await until(() => stderr.includes('ready\n'));
  assert.equal(await status(program), 401);
  const over = once(again, 'exit');
  again.kill('SIGINT');
  assert.deepEqual(await over, [0, null]);
});

test('a changed configuration is taken up; a broken one is refused with its place and the last good one stays', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url) });
  const file = join(program.folder, 'countersign.yaml');
  const good = readFileSync(file, 'utf8');
  assert.equal(await status(program, undefined, '/embeddings/open'), 401);
  writeFileSync(file, `${good}      - { path: /open, access: public }\n`);
  await until(async () => (await status(program, undefined, '/embeddings/open')) === 200);

  writeFileSync(file, good.replace('services:', 'servces:'));
  // Each fault is a line, and they come one after the other.
  await until(() => /the last good one stays in force:\n[^]*countersign\.yaml:5:1: .*servces/.test(program.stderr()));
  assert.equal(await status(program, undefined, '/embeddings/open'), 200);

  writeFileSync(file, good.replace(/^listen: .*/m, 'listen: 127.0.0.1:1'));
  await until(() => program.stderr().includes('after a restart'));
  writeFileSync(file, good);
  program.process.kill('SIGHUP');
  await until(async () => (await status(program, undefined, '/embeddings/open')) === 401);
});

test('SIGTERM lets a request under way finish and takes no new one', async (t) => {
  const arrived = Promise.withResolvers<() => void>();
  const server = createServer((_request, response) => arrived.resolve(() => void response.end('late')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const program = await startServer(t, { yaml: yaml(`http://127.0.0.1:${port}`, 'off') });
  const answer = new Promise<IncomingMessage>((resolve, reject) =>
    get(`${program.origin}/embeddings/slow`, resolve).on('error', reject),
  );
  const finish = await arrived.promise;
  const ended = once(program.process, 'exit');
  program.process.kill('SIGTERM');
  await until(() => program.stderr().includes('finishing what is under way'));
  await until(async () => {
    const late = await fetch(`${program.origin}/health`).catch(() => null);
    await late?.arrayBuffer();
    return late === null;
  });
  finish();
  let text = '';
  for await (const piece of await answer) text += String(piece);
  assert.equal(text, 'late');
  assert.deepEqual(await ended, [0, null]);
});

test('what was on its way to us when SIGTERM came is answered on a connection that was idle', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url, 'off') });
  const caller = connect(program.port, '127.0.0.1');
  let heard = '';
  caller.setEncoding('latin1').on('data', (text: string) => (heard += text));
  const post = 'POST /embeddings/embed HTTP/1.1\r\nHost: stack\r\nContent-Length: 2\r\n\r\n{}';
  caller.write(post);
  await until(() => heard.includes('"upstream":true'));
  const [left, ended] = [once(caller, 'close'), once(program.process, 'exit')];
  program.process.kill('SIGTERM');
  await until(() =>
    fetch(`${program.origin}/health`).then(
      () => false,
      () => true,
    ),
  );
  // For which it was closed before: nothing tells that a connection is still there.
  await pause(200);
  heard = '';
  caller.write(post);
  await left;
  assert.match(heard, /^HTTP\/1\.1 200 [^]*\r\nconnection: close\r\n[^]*"upstream":true/i);
  assert.deepEqual(await ended, [0, null]);
});

test('a tunnel that stays open holds an end up for no longer than was said', async (t) => {
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(sockets, 'listening');
  t.after(() => sockets.close());
  const { port } = sockets.address() as AddressInfo;
  const program = await startServer(t, {
    yaml: yaml(`http://127.0.0.1:${port}`, 'off'),
    args: ['--drain-seconds', '1'],
  });
  const tunnel = new WebSocket(`${program.origin.replace('http', 'ws')}/embeddings/chat`);
  tunnel.on('error', () => undefined);
  await once(tunnel, 'open');
  const [left, ended] = [once(tunnel, 'close'), once(program.process, 'exit')];
  program.process.kill('SIGTERM');
  const late = pause(8000).then(() => 'it never ended');
  assert.deepEqual(await Promise.race([ended, late]), [0, null]);
  await left;
});

test('a second signal ends at once', async (t) => {
  const arrived = Promise.withResolvers<void>();
  const server = createServer(() => arrived.resolve());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const program = await startServer(t, {
    yaml: yaml(`http://127.0.0.1:${port}`, 'off'),
    args: ['--drain-seconds', '600'],
  });
  get(`${program.origin}/embeddings/never`).on('error', () => undefined);
  await arrived.promise;
  const ended = once(program.process, 'exit');
  program.process.kill('SIGTERM');
  await until(() => program.stderr().includes('finishing what is under way'));
  program.process.kill('SIGTERM');
  assert.deepEqual(await ended, [1, null]);
});

async function secondServer(
  t: TestContext,
  text: string,
  args: readonly string[] = [],
): Promise<{ code: number | null; stderr: string }> {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url) });
  const file = join(program.folder, 'second.yaml');
  writeFileSync(file, text.replaceAll('PORT', String(program.port)).replace('UPSTREAM', upstream.url));
  return runCli(['serve', '--config', file, ...args], { cwd: program.folder });
}

test('an address that the machine does not have ends the start without a word of other processes', async (t) => {
  const { code, stderr } = await secondServer(
    t,
    'listen: 192.0.2.1:PORT\nstore: "memory:"\nservices: { embeddings: { upstream: "UPSTREAM" } }\n',
  );
  assert.equal(code, 1);
  assert.match(stderr, /this machine has no such address\n {2}Change `listen` in the configuration\./);
});

test('a port in use ends the start with the address and what to do', async (t) => {
  const { code, stderr } = await secondServer(
    t,
    'listen: 127.0.0.1:PORT\nstore: "memory:"\nservices: { embeddings: { upstream: "UPSTREAM" } }\n',
  );
  assert.equal(code, 1);
  assert.match(
    stderr,
    /cannot listen on 127\.0\.0\.1:\d+ \(listen\): the port is in use by another process\n {2}Stop what uses it/,
  );
});

test('a store that the environment names in vain, since the configuration names another, is said at the start', async (t) => {
  const upstream = await startUpstream(t);
  const env = { DATABASE_URL: 'postgres://u:s3cret@h/d' };
  const program = await startServer(t, { yaml: yaml(upstream.url), env });
  assert.match(
    program.stderr(),
    /sqlite:\S+, as the configuration says; the environment names a postgres, which does not/,
  );
  assert.doesNotMatch(program.stderr(), /s3cret/);
});

test('dev mode does not listen beyond loopback', async (t) => {
  const { code, stderr } = await secondServer(
    t,
    'listen: 0.0.0.0:1\nstore: "memory:"\nservices: { embeddings: { upstream: "UPSTREAM" } }\n',
    ['--allow-unauthenticated'],
  );
  assert.equal(code, 1);
  assert.match(stderr, /does not listen beyond this machine/);
});

test('dev mode lets everyone through, and every response and the start say so', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url), args: ['--allow-unauthenticated'] });
  assert.match(program.stderr(), /DEV MODE: nothing is authenticated/);
  for (const path of ['/embeddings/x', '/health', '/nowhere/']) {
    const response = await fetch(program.origin + path);
    await response.arrayBuffer();
    assert.equal(response.headers.get('x-countersign-dev'), 'unauthenticated', path);
  }
  assert.equal(await status(program), 200);
});

test('reserved paths are never handed to a service, not even to one that is mounted at the root', async (t) => {
  const upstream = await startUpstream(t);
  const config = `mode: off\nservices: { web: { upstream: "${upstream.url}", mount: / } }\n`;
  const program = await startServer(t, { yaml: config });
  assert.equal(await status(program, undefined, '/page'), 200);
  for (const path of [
    '/auth/tokens',
    '/%61uth/tokens',
    '/admin/api/keys',
    '/dashboard/',
    '/oauth/token',
    '/.well-known/x',
  ]) {
    assert.notEqual(await status(program, undefined, path), 200, path);
  }
  const upgrade = get(`${program.origin}/mcp`, { headers: { connection: 'Upgrade', upgrade: 'websocket' } });
  const [response] = (await once(upgrade, 'response')) as [IncomingMessage];
  response.resume();
  assert.ok((response.statusCode ?? 0) >= 400);
  assert.deepEqual(
    upstream.requests.map(({ url }) => url),
    ['/page'],
  );
});

test('sign --send is let in, and on a refusal names the first difference', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url) });
  const { stdout: key } = await program.cli(['keys', 'create', 'aidb', '--kind', 'hs']);
  const file = join(program.folder, 'aidb.key');
  writeFileSync(file, key, { mode: 0o600 });
  const url = `${program.origin}/embeddings/embed?a=1`;
  const send = (...more: string[]) => program.cli(['sign', '--service', 'aidb', '--send', 'POST', url, ...more]);
  await until(async () => (await send('--key-file', file)).code === 0);

  writeFileSync(join(program.folder, 'other.key'), 'another key of at least some length');
  const other = await send('--key-file', join(program.folder, 'other.key'));
  assert.equal(other.code, 1);
  assert.match(other.stdout, /401 {2}.*Invalid signature[^]*First difference: .*another key/);

  const stale = await send('--key-file', file, '--timestamp', '1759744800');
  assert.match(stale.stdout, /Timestamp outside allowed window[^]*compare the clocks/);

  const explained = await program.cli(
    ['sign', '--service', 'aidb', '--explain', '--timestamp', '1759744800', 'post', '/embeddings/embed?a=1'],
    key,
  );
  assert.match(explained.stdout, /^ {2}aidb:POST:\/embeddings\/embed:1759744800$/m);
  assert.match(explained.stdout, /not signed {2}the query \?a=1, the body/);
  assert.match(explained.stdout, /^X-Service-Signature: [0-9a-f]{64}$/m);
  assert.equal(explained.stdout.includes(key.trim()), false);

  const headers = explained.stdout
    .split('\n')
    .filter((line) => line.startsWith('X-Service'))
    .join('\n');
  writeFileSync(
    join(program.folder, 'captured'),
    `> POST /embeddings/embed/ HTTP/1.1\n${headers.replaceAll(/^/gm, '> ')}\n`,
  );
  const received = await program.cli(['sign', '--received', join(program.folder, 'captured')]);
  assert.equal(received.code, 1);
  assert.match(received.stdout, /First difference: .*slash/);
});

test('audit tail --follow shows decisions as they come, and ends with Ctrl-C', async (t) => {
  const upstream = await startUpstream(t);
  const program = await startServer(t, { yaml: yaml(upstream.url) });
  const args = ['audit', 'tail', '--follow', '--service', 'embeddings', '--output', 'json'];
  const tail = spawn(binary, args, {
    cwd: program.folder,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => tail.kill('SIGKILL'));
  let stdout = '';
  tail.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  let sent = 0;
  await until(async () => {
    sent += 1;
    await status(program, undefined, `/embeddings/seen/${sent}`);
    return stdout.includes('\n');
  });
  const [first = ''] = stdout.split('\n');
  assert.match((JSON.parse(first) as { path: string }).path, /^\/seen\/\d+$/);
  const ended = once(tail, 'exit');
  tail.kill('SIGINT');
  assert.deepEqual(await ended, [0, null]);
});
