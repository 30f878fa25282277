import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/core/clock.ts';
import { createKey } from '../../src/keys/create.ts';
import { signHttpRequest } from '../../src/schemes/http-signature/index.ts';
import { guardedEcho, type GuardedEcho } from '../../test/fixtures/guarded-echo.ts';
import { python as python3, skipWithout } from '../../test/fixtures/programs.ts';

const script = fileURLToPath(new URL('http_signature.py', import.meta.url));
const skip = skipWithout(python3);

interface World extends GuardedEcho {
  readonly key: string;
  readonly id: string;
}

async function world(t: TestContext, ahead = 0): Promise<World> {
  const echo = await guardedEcho(t, { clock: () => systemClock() + ahead });
  const { stack } = echo;
  const order = { service: 'aidb', kind: 'hs', expiresAt: null, now: stack.clock() } as const;
  const { record, key } = await createKey(stack.store, stack.seal, order);
  while (!stack.keyring.isLive(record.id)) await new Promise<void>((resolve) => setImmediate(resolve));
  return { ...echo, key, id: record.id };
}

async function python(args: readonly string[], env: Record<string, string>, input: string | Buffer = '') {
  const child = spawn('python3', args, { env: { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1', ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout, stderr };
}

test('a request signed by a page of Python passes, its query and its body covered', { skip }, async (t) => {
  const { authority, key, id, reached } = await world(t);
  const url = `http://${authority}/echo/embed`;
  const env = { HTTP_SIGNATURE_KEY: key };
  assert.deepEqual(await python([script, 'get', `${url}?model=a%20b&x`], env), {
    code: 0,
    stdout: 'reached',
    stderr: 'HTTP 200\n',
  });
  const posted = await python([script, 'POST', url], env, Buffer.from('{"input":"r\u00e9sum\u00e9"}'));
  assert.equal(posted.code, 0, posted.stderr);
  const byName = await python([script, 'DELETE', url], { ...env, HTTP_SIGNATURE_KEYID: 'aidb' });
  assert.equal(byName.code, 0, byName.stderr);
  assert.deepEqual(reached, [
    'GET /embed?model=a%20b&x service:aidb 0',
    'POST /embed service:aidb 20',
    'DELETE /embed service:aidb 0',
  ]);
  const other = await python([script, 'GET', url], {
    HTTP_SIGNATURE_KEY: `${key.slice(0, -1)}_`,
    HTTP_SIGNATURE_KEYID: id,
  });
  assert.equal(other.code, 1);
  assert.match(other.stdout, /"reason":"invalid_signature"/);
});

test(
  'the key is read from each file that keys create --to writes: the key alone, or a .env file',
  { skip },
  async (t) => {
    const { authority, key } = await world(t);
    const folder = mkdtempSync(join(tmpdir(), 'countersign-python-'));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const [name, text] of [
      ['aidb.key', `${key}\n`],
      ['aidb.env', `SERVICE_ID=aidb\nSERVICE_KEY=${key}\n`],
    ] as const) {
      const file = join(folder, name);
      writeFileSync(file, text, { mode: 0o600 });
      const { stderr } = await python([script, 'GET', `http://${authority}/echo/x`], { HTTP_SIGNATURE_KEY_FILE: file });
      assert.equal(stderr, 'HTTP 200\n', name);
    }
  },
);

test('a key file that cannot be read, and a gateway that is not there, are said in one line', { skip }, async () => {
  const unread = await python([script, 'GET', 'http://127.0.0.1:9/x'], {
    HTTP_SIGNATURE_KEY_FILE: '/nowhere/aidb.key',
  });
  assert.equal(unread.code, 1);
  assert.match(
    unread.stderr,
    /^the file that HTTP_SIGNATURE_KEY_FILE names cannot be read: .*'\/nowhere\/aidb\.key'\n$/,
  );
  const secret = `cs_hs_4fTq0ZkP1a_${'x'.repeat(49)}`;
  const away = await python([script, 'GET', 'http://127.0.0.1:9/x'], { HTTP_SIGNATURE_KEY: secret });
  assert.equal(away.code, 1);
  assert.match(away.stderr, /^GET http:\/\/127\.0\.0\.1:9\/x: .*refused.*\n$/);
});

test('a clock that is off is mended by the answer, and the request sent once more', { skip }, async (t) => {
  const { authority, key, reached } = await world(t);
  const program = `
import http_signature, time
http_signature.time.time = lambda behind=time.time() - 3600: behind
print(http_signature.send('${key}', 'PUT', 'http://${authority}/echo/x', b'body'))`;
  const { stdout, stderr } = await python(['-c', program], {
    PYTHONPATH: fileURLToPath(new URL('.', import.meta.url)),
  });
  assert.equal(stdout, "(200, b'reached')\n", stderr);
  assert.deepEqual(reached, ['PUT /x service:aidb 4']);
});

test('signs the very bytes that our own signer signs', { skip }, async () => {
  const secret = `cs_hs_4fTq0ZkP1a_${'x'.repeat(49)}`;
  const cases = [
    ['GET', 'http://gateway.internal:8700/a/b?c=d&e', ''],
    ['POST', 'https://Gateway.Internal:443/', 'body'],
    ['PUT', 'http://[::1]:8700/a%2Fb', 'x'],
    ['GET', 'http://127.0.0.1', ''],
  ] as const;
  const program = `
import http_signature, json, sys
print(json.dumps([http_signature.sign('${secret}', m, u, b.encode(), created=1800000000, nonce='n') for m, u, b in json.load(sys.stdin)]))`;
  const { stdout, stderr } = await python(
    ['-c', program],
    { PYTHONPATH: fileURLToPath(new URL('.', import.meta.url)) },
    JSON.stringify(cases),
  );
  assert.equal(stderr, '');
  const theirs = JSON.parse(stdout) as Record<string, string>[];
  for (const [index, [method, url, body]] of cases.entries()) {
    const { host, protocol, pathname, search } = new URL(url);
    const { headers } = await signHttpRequest(
      {
        method,
        target: pathname + search,
        authority: host,
        scheme: protocol === 'https:' ? 'https' : 'http',
        body: body === '' ? null : Buffer.from(body),
        created: 1_800_000_000,
        nonce: 'n',
      },
      { keyid: '4fTq0ZkP1a', sign: (base) => createHmac('sha256', secret).update(base).digest() },
    );
    const lower = Object.fromEntries(
      Object.entries(theirs[index] ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
    );
    assert.deepEqual(lower, headers, url);
  }
});
