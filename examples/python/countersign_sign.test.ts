import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/core/clock.ts';
import type { Keyring, MacKeyEntry } from '../../src/core/credential.ts';
import type { AuthRequest } from '../../src/core/request.ts';
import { hmacSha256 } from '../../src/crypto/hmac.ts';
import { python, skipWithout } from '../../test/fixtures/programs.ts';
import { serviceSignature } from '../../src/schemes/service-signature/index.ts';

const script = fileURLToPath(new URL('countersign_sign.py', import.meta.url));
const skip = skipWithout(python);
const key = '0123456789abcdef'.repeat(4);

const entry: MacKeyEntry = {
  principal: {
    id: 'service:main-backend',
    scheme: 'service-signature',
    credentialId: 'main',
    scopes: [],
    expiresAt: null,
    addresses: null,
  },
  key: hmacSha256(Buffer.from(key)),
  expiresAt: null,
  revoked: false,
};
const keyring: Keyring = {
  apiKey: () => undefined,
  macKeys: (id) => (id === 'main-backend' ? [entry] : []),
  signatureKeys: () => [],
};
const scheme = serviceSignature({
  keyring,
  clock: systemClock,
  windowSeconds: 300,
  replay: 'off',
  once: async () => true,
});

/** Changes what arrived before it is judged, as someone on the way would. */
type Tamper = (request: AuthRequest) => AuthRequest;

let tamper: Tamper = (request) => request;
let server: Server;
let origin: string;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-python-'));
  server = createServer((request, response) => {
    void (async () => {
      const verdict = await scheme.authenticate(tamper(received(request)));
      response.statusCode = verdict?.allowed ? 200 : 401;
      response.end(verdict?.allowed ? verdict.principal.id : (verdict?.reason ?? 'nothing presented'));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

function received(request: IncomingMessage): AuthRequest {
  const lines = request.headersDistinct;
  const target = request.url ?? '/';
  return {
    method: request.method ?? '',
    target,
    path: target,
    service: 'embeddings',
    authority: request.headers.host ?? '',
    protocol: 'http',
    remoteAddress: '127.0.0.1',
    requestId: 'a-request',
    fields: (name) => lines[name] ?? [],
    bodyPresence: 'none',
    body: async () => new Uint8Array(),
  };
}

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], env: Record<string, string>, input = ''): Promise<Ran> {
  const child = spawn('python3', args, { env: { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1', ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout, stderr };
}

const environment = { SERVICE_ID: 'main-backend', SERVICE_KEY: key };

async function call(change: Tamper, method = 'GET', path = '/embeddings/health?a=b'): Promise<Ran> {
  tamper = change;
  return run([script, method, origin + path], environment);
}

const withField =
  (name: string, change: (value: string) => string): Tamper =>
  (request) => ({
    ...request,
    fields: (field) => (field === name ? request.fields(field).map(change) : request.fields(field)),
  });

test('a request signed by a few lines of Python is accepted', { skip }, async () => {
  for (const method of ['GET', 'post', 'DELETE'])
    assert.deepEqual(await call((request) => request, method), {
      code: 0,
      stdout: 'service:main-backend',
      stderr: 'HTTP 200\n',
    });
  const root = await call((request) => request, 'GET', '/');
  assert.equal(root.stdout, 'service:main-backend');
  const escaped = await call((request) => request, 'GET', '/embeddings/r%C3%A9sum%C3%A9:a.pdf');
  assert.equal(escaped.stdout, 'service:main-backend');
});

test('it is refused when method, path, service or time was changed', { skip }, async () => {
  const changes: readonly [string, Tamper, string][] = [
    ['method', (request) => ({ ...request, method: 'PUT' }), 'invalid_signature'],
    ['path', (request) => ({ ...request, target: '/embeddings/admin' }), 'invalid_signature'],
    ['service', withField('x-service-id', () => 'other-backend'), 'unknown_service'],
    ['time', withField('x-service-timestamp', (time) => String(Number(time) + 1)), 'invalid_signature'],
    ['time, far', withField('x-service-timestamp', (time) => String(Number(time) - 3600)), 'timestamp_outside_window'],
  ];
  for (const [what, change, reason] of changes) {
    const { code, stdout } = await call(change);
    assert.equal(stdout, reason, what);
    assert.equal(code, 1, what);
  }
});

test('the key may stand in a file, alone or as SERVICE_KEY=', { skip }, async () => {
  tamper = (request) => request;
  for (const text of [key, `${key}\n`, `# a comment\nSERVICE_KEY=${key}\n`, `SERVICE_KEY="${key}"\n`]) {
    const file = join(folder, 'key.env');
    await writeFile(file, text, { mode: 0o600 });
    const ran = await run([script, 'GET', `${origin}/x`], { SERVICE_ID: 'main-backend', SERVICE_KEY_FILE: file });
    assert.equal(ran.stdout, 'service:main-backend', ran.stderr);
  }
});

test('a key file that cannot be read, and a gateway that is not there, are said in one line', { skip }, async () => {
  const url = 'http://127.0.0.1:9/x';
  const unread = await run([script, 'GET', url], { SERVICE_ID: 'aidb', SERVICE_KEY_FILE: '/nowhere/aidb.key' });
  assert.equal(unread.code, 1);
  assert.match(unread.stderr, /^the file that SERVICE_KEY_FILE names cannot be read: .*'\/nowhere\/aidb\.key'\n$/);
  const away = await run([script, 'GET', url], { SERVICE_ID: 'aidb', SERVICE_KEY: key });
  assert.equal(away.code, 1);
  assert.match(away.stderr, /^GET http:\/\/127\.0\.0\.1:9\/x: .*refused.*\n$/);
});

test('it serves as a module, with a body', { skip }, async () => {
  tamper = (request) => request;
  const program = `
from countersign_sign import send
print(send("main-backend", "${key}", "POST", "${origin}/embed", data=b"{}", headers={"Content-Type": "application/json"}))`;
  const ran = await run(['-c', program], { PYTHONPATH: fileURLToPath(new URL('.', import.meta.url)) });
  assert.equal(ran.stdout.trim(), "(200, b'service:main-backend')", ran.stderr);
});
