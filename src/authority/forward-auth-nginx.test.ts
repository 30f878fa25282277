/** Forward auth as nginx asks for it: the dialect's rules are worth what a real proxy makes of them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { rawRequest, startAuthority } from '../../test/fixtures/authority-stack.ts';
import { createKey } from '../keys/create.ts';
import { nginx, provide, skipWithout } from '../../test/fixtures/programs.ts';

const yaml = `mode: enforce
trustedProxies: [127.0.0.1/32]
callers: [aidb]
services:
  echo:
    upstream: http://127.0.0.1:1
    routes:
      - { path: /open, access: public }
      - { path: /far, allowedIps: [192.0.2.0/24] }
`;

const skip = skipWithout(nginx);

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function nginxConfig(port: number, authority: number, upstream: number, folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 64; }
http {
  access_log off;
  ${temporary.join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    location / {
      auth_request /_auth;
      auth_request_set $user $upstream_http_x_auth_request_user;
      auth_request_set $principal $upstream_http_x_auth_principal;
      auth_request_set $scopes $upstream_http_x_auth_scopes;
      auth_request_set $mode $upstream_http_x_auth_mode;
      proxy_set_header X-Auth-Request-User $user;
      proxy_set_header X-Auth-Principal $principal;
      proxy_set_header X-Auth-Scopes $scopes;
      proxy_set_header X-Auth-Mode $mode;
      proxy_pass http://127.0.0.1:${upstream};
    }
    location = /_auth {
      internal;
      proxy_pass http://127.0.0.1:${authority}/auth/verify/nginx;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header X-Original-Method $request_method;
      proxy_set_header X-Original-URI $request_uri;
      proxy_set_header X-Original-Host $host;
      proxy_set_header X-Original-Proto $scheme;
      proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}
`;
}

async function accepts(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const outcome = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (outcome) return;
  }
}

async function start(t: TestContext) {
  const fixture = await startAuthority(t, { yaml });
  const { store, seal, clock } = fixture.stack;
  const { key } = await createKey(store, seal, { service: 'aidb', kind: 'sk', expiresAt: null, now: clock() });
  const seen: IncomingHttpHeaders[] = [];
  const upstream = createServer((req, res) => {
    seen.push(req.headers);
    req.resume();
    req.on('end', () => res.end('through'));
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const folder = mkdtempSync(join(tmpdir(), 'countersign-nginx-'));
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, nginxConfig(port, fixture.port, (upstream.address() as AddressInfo).port, folder));
  const child = spawn(provide(nginx), ['-c', file, '-p', folder], { stdio: 'ignore' });
  t.after(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    upstream.closeAllConnections();
    upstream.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const gone = once(child, 'exit').then(() => assert.fail('nginx ended before it listened'));
  await Promise.race([accepts(port), gone]);
  gone.catch(() => undefined);
  return { port, key, seen };
}

test("nginx lets through what the guard allows, with our identity and not the client's", { skip }, async (t) => {
  const { port, key, seen } = await start(t);
  const origin = `http://127.0.0.1:${port}`;
  const spoofed = {
    'x-auth-principal': 'operator:admin',
    'x-auth-scopes': 'everything',
    'x-auth-mode': 'off',
    'x-auth-request-user': 'admin',
  };
  const allowed = await fetch(`${origin}/echo/embed?x=1`, {
    method: 'POST',
    body: 'a body',
    headers: { ...spoofed, authorization: `Bearer ${key}` },
  });
  assert.equal(allowed.status, 200);
  assert.equal(await allowed.text(), 'through');
  const own = (headers: IncomingHttpHeaders | undefined) => Object.keys(spoofed).map((name) => headers?.[name] ?? '');
  assert.deepEqual(own(seen[0]), ['service:aidb', '', 'enforce', 'aidb']);
  const open = await fetch(`${origin}/echo/open`, { headers: spoofed });
  assert.equal(open.status, 200);
  await open.text();
  assert.deepEqual(own(seen[1]), ['', '', 'enforce', '']);
});

test('nginx refuses with 401 and 403 and the challenge, and the upstream sees nothing', { skip }, async (t) => {
  const { port, key, seen } = await start(t);
  const origin = `http://127.0.0.1:${port}`;
  const missing = await fetch(`${origin}/echo/embed`);
  assert.equal(missing.status, 401);
  assert.match(missing.headers.get('www-authenticate') ?? '', /Bearer realm="countersign"/);
  assert.equal((await fetch(`${origin}/echo/embed`, { headers: { authorization: 'Bearer wrong' } })).status, 401);
  assert.equal((await fetch(`${origin}/echo/far`, { headers: { 'x-api-key': key } })).status, 403);
  assert.equal(seen.length, 0);
});

test('what a client sends of the description or of its address changes nothing', { skip }, async (t) => {
  const { port, key, seen } = await start(t);
  const ask = async (path: string, ...lines: string[]): Promise<number> =>
    (await rawRequest(port, [`GET ${path} HTTP/1.1`, 'Host: stack.example.org', ...lines])).status;
  const spoof = [
    'X-Original-URI: /echo/open',
    'X-Original-Method: GET',
    'X-Original-Host: other',
    'X-Original-URL: http://a/echo/open',
    'X-Forwarded-Uri: /echo/open',
    'X-Forwarded-Method: GET',
    'X-Forwarded-Host: other',
  ];
  assert.equal(await ask('/echo/embed', ...spoof), 401);
  assert.equal(await ask('/echo/far', `x-api-key: ${key}`, 'X-Forwarded-For: 192.0.2.7'), 403);
  assert.equal(await ask('/_auth'), 404);
  for (const path of ['/echo/open/../embed', '/echo/%6fpen/%2e%2e/embed', '/echo//embed', '/echo/open/..%2fembed'])
    assert.ok((await ask(path)) >= 400, path);
  assert.equal(seen.length, 0);
});
