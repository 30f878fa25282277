import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { createServer as tcpServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import type { Stack } from '../compose/stack.ts';
import { systemClock } from '../core/clock.ts';
import { ed25519Pair, ed25519PublicKey } from '../crypto/ed25519.ts';
import { hmacSha256 } from '../crypto/hmac.ts';
import { createKey } from '../keys/create.ts';
import {
  closed,
  codeOf,
  echo,
  folder,
  gatewayFixture,
  principal,
  signatureServer,
  testServer,
} from './client.fixtures.ts';
import { createServiceClient, type ServiceClientOptions } from './index.ts';

const apiKey = 'a'.repeat(20) + 'b9Kq'.repeat(11);
const hmacKey = '0123456789abcdef'.repeat(4);

function client(t: { after(fn: () => Promise<void>): void }, options: Partial<ServiceClientOptions> = {}) {
  const made = createServiceClient({ credential: { kind: 'api-key', key: apiKey }, ...options });
  t.after(() => made.close());
  return made;
}

async function createdKey(stack: Stack, kind: 'sk' | 'hs' | 'ed25519') {
  const order = { service: 'hybrid-coordinator', kind, expiresAt: null, now: systemClock() } as const;
  return createKey(stack.store, stack.seal, order);
}

test('each kind of key passes the gateway', async (t) => {
  const { stack, url } = await gatewayFixture(t);
  const sk = await createdKey(stack, 'sk');
  const hs = await createdKey(stack, 'hs');
  const ed = await createdKey(stack, 'ed25519');
  const baseUrl = `${url}/embeddings`;
  const credentials: ServiceClientOptions['credential'][] = [
    { kind: 'api-key', key: sk.key },
    { kind: 'api-key', key: sk.key, header: 'x-api-key' },
    { kind: 'service-signature', serviceId: 'hybrid-coordinator', key: hs.key },
    { kind: 'http-signature', keyid: hs.record.id, key: hs.key },
    { kind: 'http-signature', keyid: 'hybrid-coordinator', key: ed.key },
  ];
  for (const credential of credentials) {
    const { fetch } = client(t, { credential, baseUrl });
    const response = await fetch('/embed?model=a b', { method: 'POST', body: JSON.stringify({ text: 'hello' }) });
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), {
      method: 'POST',
      url: '/embed?model=a%20b',
      body: '{"text":"hello"}',
      type: 'text/plain;charset=UTF-8',
      caller: 'service:hybrid-coordinator',
    });
  }
});

test('takes what fetch takes: strings, URLs, Requests, every kind of body', async (t) => {
  const server = await testServer(t, echo);
  const { fetch } = client(t, { baseUrl: server.url });
  const form = new FormData();
  form.set('field', 'value');
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from('streamed'));
      controller.close();
    },
  });
  const post = { method: 'POST' };
  const answers: [unknown, string][] = [
    [await fetch(new URL('/u', server.url)), ''],
    [await fetch(new Request(`${server.url}/r`, { ...post, body: 'in a request' })), 'in a request'],
    [await fetch(new Request(`${server.url}/r`), { ...post, body: 'replaced' }), 'replaced'],
    [await fetch('/b', { ...post, body: new Blob(['blob']) }), 'blob'],
    [await fetch('/p', { ...post, body: new URLSearchParams({ a: 'b' }) }), 'a=b'],
    [await fetch('/t', { ...post, body: new TextEncoder().encode('bytes') }), 'bytes'],
    [await fetch('/s', { ...post, body: stream, duplex: 'half' } as RequestInit), 'streamed'],
  ];
  for (const [response, body] of answers) {
    assert.equal(((await (response as Response).json()) as { body: string }).body, body);
  }
  const sent = (await (await fetch('/f', { ...post, body: form })).json()) as { body: string; type: string };
  assert.match(sent.body, /name="field"\r\n\r\nvalue/);
  assert.ok(sent.body.includes(sent.type.replace(/^.*boundary=/, '')));
  for (const { headers } of server.seen) assert.equal(headers.authorization, `Bearer ${apiKey}`);
});

test('uses its connections again', async (t) => {
  const server = await testServer(t, echo);
  const { fetch } = client(t, { baseUrl: server.url });
  for (let call = 0; call < 20; call += 1) await (await fetch('/a')).text();
  assert.ok(server.connections() < 5, `${server.connections()} connections`);
});

test('signs over HTTP what goes on the wire, with either algorithm and any body', async (t) => {
  const pair = await ed25519Pair();
  const mac = hmacSha256(Buffer.from(hmacKey));
  const key = ed25519PublicKey(pair.publicPem);
  const entry = { principal: principal('service:aidb'), expiresAt: null, revoked: false };
  const server = await signatureServer(t, {
    mac: [{ ...entry, algorithm: 'hmac-sha256', verify: (base, mine) => mac.base64(base) === mine }],
    ed: [
      {
        ...entry,
        algorithm: 'ed25519',
        verify: (base, mine) => key.verify(Buffer.from(base), Buffer.from(mine, 'base64')),
      },
    ],
  });
  const keys = { mac: hmacKey, ed: pair.privatePem };
  for (const keyid of ['mac', 'ed'] as const) {
    const { fetch } = client(t, {
      credential: { kind: 'http-signature', keyid, key: keys[keyid] },
      baseUrl: server.url,
    });
    const form = new FormData();
    form.set('a', 'b');
    for (const init of [
      {},
      { method: 'POST', body: 'text' },
      { method: 'PUT', body: new Blob(['blob'], { type: 'x/y' }) },
      { method: 'PATCH', body: form },
      { method: 'DELETE' },
    ] as RequestInit[]) {
      for (const path of ['/a', '/a?', '/a?b=c&d=%7e#not-sent', "/a/./b/../c'%2F?q=\\ä", '/ä ö']) {
        const response = await fetch(path, init);
        assert.equal(response.status, 200, `${init.method} ${path}: ${await response.clone().text()}`);
        await response.text();
      }
    }
    const streamed = await fetch('/s', {
      method: 'POST',
      body: ReadableStream.from([Buffer.from('one'), Buffer.from('two')]),
      duplex: 'half',
    } as RequestInit);
    assert.equal(((await streamed.json()) as { body: string }).body, 'onetwo');
  }
});

test('a body that is too large to be held is not sent unsigned', async (t) => {
  const server = await testServer(t, echo);
  const { fetch } = client(t, {
    credential: { kind: 'http-signature', keyid: 'k', key: hmacKey },
    baseUrl: server.url,
    signedBodyBytesMax: 10,
  });
  let read = 0;
  const endless = new ReadableStream({
    pull(controller) {
      read += 1;
      controller.enqueue(Buffer.from('four'));
    },
  });
  const init = { method: 'POST', body: endless, duplex: 'half' } as RequestInit;
  assert.equal(await codeOf(() => fetch('/a', init)), 'body_not_signable');
  assert.ok(read < 10);
  assert.equal(await codeOf(() => fetch('/a', { method: 'POST', body: 'eleven char' })), 'body_not_signable');
  assert.equal(server.seen.length, 0);
});

for (const skew of [-400, 400]) {
  test(`a clock that is ${skew} s off is corrected once and stays so`, async (t) => {
    const { stack, url, upstream } = await gatewayFixture(t);
    const hs = await createdKey(stack, 'hs');
    const baseUrl = `${url}/embeddings`;
    for (const credential of [
      { kind: 'service-signature', serviceId: 'hybrid-coordinator', key: hs.key },
      { kind: 'http-signature', keyid: 'hybrid-coordinator', key: hs.key },
    ] as const) {
      const { fetch } = client(t, { credential, baseUrl, clock: () => systemClock() + skew });
      for (let call = 0; call < 3; call += 1)
        assert.equal((await fetch('/a', { method: 'POST', body: 'x' })).status, 200);
    }
    assert.equal(upstream.seen.length, 6);
    await stack.audit.flush();
    const decisions = await stack.store.decisions.list({ limit: 100 });
    const refused = decisions.filter(({ outcome }) => outcome === 'deny').map(({ scheme, reason }) => [scheme, reason]);
    assert.deepEqual(refused, [
      ['service-signature', 'timestamp_outside_window'],
      ['http-signature', 'timestamp_outside_window'],
    ]);
  });

  test(`calls that begin at once with a clock ${skew} s off all succeed`, async (t) => {
    const { stack, url } = await gatewayFixture(t);
    const hs = await createdKey(stack, 'hs');
    const { fetch } = client(t, {
      credential: { kind: 'service-signature', serviceId: 'hybrid-coordinator', key: hs.key },
      baseUrl: `${url}/embeddings`,
      clock: () => systemClock() + skew,
    });
    const responses = await Promise.all(Array.from({ length: 10 }, () => fetch('/a')));
    assert.deepEqual([...new Set(responses.map(({ status }) => status))], [200]);
  });
}

test('a body that is sent once cannot be sent again, but the next one is by the right clock', async (t) => {
  const { stack, url } = await gatewayFixture(t);
  const hs = await createdKey(stack, 'hs');
  const { fetch } = client(t, {
    credential: { kind: 'service-signature', serviceId: 'hybrid-coordinator', key: hs.key },
    baseUrl: `${url}/embeddings`,
    clock: () => systemClock() - 600,
  });
  const streamed = async () => {
    const body = ReadableStream.from([Buffer.from('x')]);
    const response = await fetch('/a', { method: 'POST', body, duplex: 'half' } as RequestInit);
    return [response.status, ((await response.json()) as { reason?: string }).reason];
  };
  assert.deepEqual(await streamed(), [401, 'timestamp_outside_window']);
  assert.deepEqual(await streamed(), [200, undefined]);
});

test('a Date beyond all reason corrects nothing', async (t) => {
  const entry = { principal: principal('service:aidb'), expiresAt: null, revoked: false };
  const server = await signatureServer(
    t,
    { mac: [{ ...entry, algorithm: 'hmac-sha256', verify: () => true }] },
    () => systemClock() + 90_000,
  );
  const credential = { kind: 'http-signature', keyid: 'mac', key: hmacKey } as const;
  const { fetch } = client(t, { credential, baseUrl: server.url });
  assert.equal((await fetch('/a')).status, 401);
  assert.equal((await fetch('/a')).status, 401);
  assert.equal(server.seen.length, 2);
});

test('a key file that is replaced during calls costs no refusal', async (t) => {
  const { stack, url } = await gatewayFixture(t);
  const file = join(await folder(t), 'key');
  const first = await createdKey(stack, 'sk');
  await writeFile(file, `${first.key}\n`, { mode: 0o600 });
  const { fetch } = client(t, { credential: { kind: 'api-key', keyFile: file }, baseUrl: `${url}/embeddings` });
  const statuses: number[] = [];
  const call = async () => {
    const response = await fetch('/a', { method: 'POST', body: 'x' });
    statuses.push(response.status);
    await response.text();
  };
  for (let round = 0; round < 4; round += 1) {
    await Promise.all(Array.from({ length: 10 }, call));
    const old = await stack.store.keys.list();
    const next = await createdKey(stack, 'sk');
    if (round % 2 === 0) {
      await writeFile(`${file}.new`, next.key, { mode: 0o600 });
      await rename(`${file}.new`, file);
    } else {
      await rm(file);
      await call();
      await writeFile(file, next.key, { mode: 0o600 });
    }
    // The verifier lets go of the old keys before the caller looked at its file again.
    for (const { id } of old) await stack.store.keys.revoke(id, systemClock());
    await Promise.all(Array.from({ length: 10 }, call));
  }
  assert.deepEqual([...new Set(statuses)], [200]);
});

test('a key that is wrong and stays wrong is tried once', async (t) => {
  const server = await testServer(t, (_req, res) => void refuse(res, 'invalid_credentials'));
  const file = join(await folder(t), 'key');
  await writeFile(file, apiKey, { mode: 0o600 });
  const { fetch } = client(t, { credential: { kind: 'api-key', keyFile: file }, baseUrl: server.url });
  const response = await fetch('/a');
  assert.equal(response.status, 401);
  assert.equal(((await response.json()) as { reason: string }).reason, 'invalid_credentials');
  assert.equal(server.seen.length, 1);
});

test('a missing key says which file was looked for, a bad one what is wrong with it', async (t) => {
  const path = join(await folder(t), 'nothing-here');
  const make = (credential: ServiceClientOptions['credential']) => () => createServiceClient({ credential });
  assert.throws(make({ kind: 'api-key', keyFile: path }), { code: 'key_missing', message: new RegExp(path) });
  assert.throws(make({ kind: 'service-signature', serviceId: 'a', keyFile: path }), { code: 'key_missing' });
  assert.throws(make({ kind: 'http-signature', keyid: 'a', keyFile: path }), { code: 'key_missing' });
  assert.throws(make({ kind: 'api-key', key: '' }), { code: 'key_missing' });
  await writeFile(path, apiKey, { mode: 0o644 });
  assert.throws(make({ kind: 'api-key', keyFile: path }), { code: 'key_unusable', message: /chmod 600/ });
  assert.throws(make({ kind: 'http-signature', keyid: 'a', key: '-----BEGIN PRIVATE KEY-----\nnot one' }), {
    code: 'key_unusable',
  });
  assert.throws(make({ kind: 'service-signature', serviceId: 'a:b', key: hmacKey }), TypeError);
});

function refuse(res: ServerResponse, reason: string): void {
  const body = JSON.stringify({ error: 'Refused', reason, authenticated: false });
  res.writeHead(401, { 'content-type': 'application/json', 'content-length': String(body.length) }).end(body);
}

test('sends again what is safe to send again, and as often as it was told', async (t) => {
  const answers = new Map([
    ['/502', { status: 502 }],
    ['/503', { status: 503, retryAfter: '0' }],
    ['/504', { status: 504 }],
    ['/429', { status: 429, retryAfter: '0' }],
    ['/429-silent', { status: 429 }],
    ['/503-long', { status: 503, retryAfter: '3600' }],
    ['/500', { status: 500 }],
  ]);
  const server = await testServer(t, (req, res) => {
    const answer = answers.get(req.url ?? '') as { status: number; retryAfter?: string };
    res.writeHead(answer.status, answer.retryAfter ? { 'retry-after': answer.retryAfter } : {}).end('no');
  });
  const { fetch } = client(t, { baseUrl: server.url, retries: 2 });
  const count = async (path: string, init?: RequestInit) => {
    const before = server.seen.length;
    const response = await fetch(path, init);
    assert.equal(response.status, answers.get(path)?.status);
    assert.equal(await response.text(), init?.method === 'HEAD' ? '' : 'no');
    return server.seen.length - before;
  };
  assert.equal(await count('/502'), 3);
  assert.equal(await count('/503', { method: 'PUT', body: 'x' }), 3);
  assert.equal(await count('/504', { method: 'HEAD' }), 3);
  assert.equal(await count('/429', { method: 'DELETE' }), 3);
  assert.equal(await count('/429-silent'), 1);
  assert.equal(await count('/503-long'), 1);
  assert.equal(await count('/500'), 1);
  assert.equal(await count('/503', { method: 'POST', body: 'x' }), 1);
  const stream = ReadableStream.from([Buffer.from('x')]);
  assert.equal(await count('/503', { method: 'PUT', body: stream, duplex: 'half' } as RequestInit), 1);
});

test('a retry that succeeds is all that the caller sees', async (t) => {
  let calls = 0;
  const server = await testServer(t, (req, res) => {
    calls += 1;
    if (calls < 3) req.socket.destroy();
    else echo(req, res);
  });
  const { fetch } = client(t, { baseUrl: server.url });
  const response = await fetch('/a', { method: 'PUT', body: 'again' });
  assert.equal(((await response.json()) as { body: string }).body, 'again');
  calls = 0;
  await assert.rejects(fetch('/a', { method: 'POST', body: 'x' }), TypeError);
  assert.equal(calls, 1, 'nobody knows how far a POST came');
});

test('a retry has a signature of its own, though it comes within the same second', async (t) => {
  let calls = 0;
  const server = await testServer(t, (req, res) => {
    calls += 1;
    if (calls < 3) res.writeHead(503).end();
    else echo(req, res);
  });
  const credential = { kind: 'service-signature', serviceId: 'aidb', key: hmacKey } as const;
  const { fetch } = client(t, { baseUrl: server.url, credential, clock: () => 1_800_000_000.5 });
  assert.equal((await fetch('/a')).status, 200);
  const times = server.seen.map(({ headers }) => headers['x-service-timestamp']);
  assert.deepEqual(times, ['1800000000', '1800000001', '1800000002']);
});

test('a refused connection is tried again by any method', async (t) => {
  const first = tcpServer().listen(0, '127.0.0.1');
  await once(first, 'listening');
  const { port } = first.address() as AddressInfo;
  first.close();
  await once(first, 'close');
  const { fetch } = client(t, { retries: 8 });
  const answer = fetch(`http://127.0.0.1:${port}/a`, { method: 'POST', body: 'x' });
  const server = createServer(echo);
  setImmediate(() => server.listen(port, '127.0.0.1'));
  t.after(() => closed(server));
  assert.equal((await answer).status, 200);
});

test('gives up when the time is over, and stops when the caller does', async (t) => {
  const server = await testServer(t, (req, res) => {
    if (req.url === '/stream') res.write('begun');
  });
  const { fetch } = client(t, { baseUrl: server.url, timeoutSeconds: 0.1 });
  await assert.rejects(fetch('/silent'), { name: 'TimeoutError', code: 'timed_out' });

  const given = new AbortController();
  const aborted = fetch('/silent', { signal: given.signal });
  given.abort(new Error('the caller gave up'));
  await assert.rejects(aborted, /the caller gave up/);
  await assert.rejects(fetch('/silent', { signal: given.signal }), /the caller gave up/);

  // Its head must come in time even where the machine is busy.
  const patient = client(t, { baseUrl: server.url, timeoutSeconds: 20 });
  const reading = new AbortController();
  const response = await patient.fetch('/stream', { signal: reading.signal });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  assert.equal(Buffer.from((await reader.read()).value as Uint8Array).toString(), 'begun');
  const rest = reader.read();
  reading.abort(new Error('enough'));
  await assert.rejects(rest, /enough/);
});

test('a body may take longer than the time-out, once its head has come', async (t) => {
  let open: import('node:http').ServerResponse | null = null;
  const server = await testServer(t, (req, res) => {
    if (req.url !== '/stream') return;
    open = res;
    res.write('begun');
  });
  const { fetch } = client(t, { baseUrl: server.url, timeoutSeconds: 2 });
  const response = await fetch('/stream');
  // As long as another request of the same client takes to be given up.
  await assert.rejects(fetch('/silent'), { code: 'timed_out' });
  (open as unknown as import('node:http').ServerResponse).end(', and ended');
  assert.equal(await response.text(), 'begun, and ended');
});

test('the credential follows a redirect within the base and to nowhere else', async (t) => {
  const elsewhere = await testServer(t, echo);
  const server = await testServer(t, (req, res) => {
    const to = new URL(req.url ?? '', 'http://x').searchParams.get('to');
    const status = Number(new URL(req.url ?? '', 'http://x').searchParams.get('status') ?? 302);
    if (to) res.writeHead(status, { location: to }).end('moved');
    else echo(req, res);
  });
  const { fetch } = client(t, { baseUrl: `${server.url}/svc` });
  const go = (to: string, init?: RequestInit, status = 302) =>
    fetch(`/go?status=${status}&to=${encodeURIComponent(to)}`, init);

  const near = await go('/svc/near');
  assert.deepEqual([near.status, near.redirected, near.url], [200, true, `${server.url}/svc/near`]);
  assert.equal(server.seen.at(-1)?.headers.authorization, `Bearer ${apiKey}`);

  assert.equal((await go('/other-service')).status, 200);
  assert.equal(server.seen.at(-1)?.headers.authorization, undefined);

  const far = await go(`${elsewhere.url}/far`, { headers: { cookie: 'a=b', 'x-api-key': 'mine', 'x-plain': 'kept' } });
  assert.equal(far.status, 200);
  const { headers } = elsewhere.seen.at(-1) as (typeof elsewhere.seen)[number];
  assert.deepEqual(
    [headers.authorization, headers.cookie, headers['x-api-key'], headers['x-plain']],
    [undefined, undefined, undefined, 'kept'],
  );

  const post = { method: 'POST', body: 'x' };
  assert.equal(((await (await go('/svc/a', post, 303)).json()) as { method: string }).method, 'GET');
  assert.equal(((await (await go('/svc/a', post, 302)).json()) as { method: string }).method, 'GET');
  assert.deepEqual(await (await go('/svc/a', post, 307)).json(), {
    method: 'POST',
    url: '/svc/a',
    body: 'x',
    type: 'text/plain;charset=UTF-8',
    caller: null,
  });
  assert.equal((await go('/svc/a', { redirect: 'manual' })).status, 302);
  await assert.rejects(go('/svc/a', { redirect: 'error' }), TypeError);
  await assert.rejects(go('ftp://example/'), TypeError);
});

test('without a base the credential follows a redirect within the origin, and to no other', async (t) => {
  const elsewhere = await testServer(t, echo);
  const server = await testServer(t, (req, res) => {
    if (req.url === '/near') echo(req, res);
    else res.writeHead(307, { location: req.url === '/far' ? `${elsewhere.url}/far` : '/near' }).end();
  });
  const { fetch } = client(t);
  assert.equal((await fetch(`${server.url}/a`)).status, 200);
  assert.equal(server.seen.at(-1)?.headers.authorization, `Bearer ${apiKey}`);
  assert.equal((await fetch(`${server.url}/far`)).status, 200);
  assert.equal(elsewhere.seen.at(-1)?.headers.authorization, undefined);
});

test('a redirect without end ends', async (t) => {
  const server = await testServer(t, (_req, res) => void res.writeHead(302, { location: '/again' }).end());
  const { fetch } = client(t, { baseUrl: server.url });
  await assert.rejects(fetch('/a'), /without end/);
  assert.equal(server.seen.length, 21);
});

test('the key goes to no other origin, and no path climbs out of the base', async (t) => {
  const elsewhere = await testServer(t, echo);
  const server = await testServer(t, echo);
  const { fetch, headers } = client(t, { baseUrl: `${server.url}/svc/` });
  for (const target of [elsewhere.url, new URL(elsewhere.url), new Request(elsewhere.url)]) {
    assert.equal(await codeOf(() => fetch(target)), 'outside_base');
  }
  assert.equal(await codeOf(() => headers({ url: elsewhere.url })), 'outside_base');
  for (const path of ['/../other', '/%2e%2e/other', '..', '\\..\\..\\other', '/a/../../svcx']) {
    assert.equal(await codeOf(() => fetch(path)), 'outside_base', path);
  }
  await assert.rejects(fetch('file:///etc/passwd'), TypeError);
  for (const path of ['', '/', 'a', '?q', '//evil.example/x', '/@evil.example']) await (await fetch(path)).text();
  assert.deepEqual(
    server.seen.map(({ url }) => url),
    ['/svc', '/svc/', '/svc/a', '/svc?q', '/svc//evil.example/x', '/svc/@evil.example'],
  );
  assert.equal(elsewhere.seen.length, 0);
});

test('the secret is nowhere to be seen', async (t) => {
  const pair = await ed25519Pair();
  const secrets = [apiKey, hmacKey, pair.privatePem.split('\n')[1] as string];
  const credentials: ServiceClientOptions['credential'][] = [
    { kind: 'api-key', key: apiKey },
    { kind: 'service-signature', serviceId: 'aidb', key: hmacKey },
    { kind: 'http-signature', keyid: 'aidb', key: pair.privatePem },
  ];
  const said: string[] = [];
  const free = tcpServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const nobody = `http://127.0.0.1:${(free.address() as AddressInfo).port}`;
  free.close();
  for (const credential of credentials) {
    const made = client(t, { credential, baseUrl: nobody, retries: 0, timeoutSeconds: 5 });
    said.push(inspect(made, { depth: 10, showHidden: true }), JSON.stringify(made), String(made));
    for (const work of [
      () => made.fetch('/a'),
      () => made.fetch('http://127.0.0.1:9/elsewhere'),
      () => made.fetch('/a', { method: 'POST', body: 'x', headers: { 'not a name': 'x' } }),
      () =>
        createServiceClient({
          credential: { kind: 'service-signature', serviceId: 'a', key: `${hmacKey}\n${apiKey}` },
        }),
    ]) {
      try {
        await work();
        assert.fail('should have failed');
      } catch (error) {
        said.push(inspect(error, { depth: 10, showHidden: true }), String(error));
      }
    }
  }
  for (const secret of secrets) assert.ok(!said.join('\n').includes(secret));
});

test('close ends what will not end by itself', async (t) => {
  const server = await testServer(t, (_req, res) => void res.write('begun'));
  const made = createServiceClient({
    credential: { kind: 'api-key', key: apiKey },
    baseUrl: server.url,
    timeoutSeconds: 0.2,
  });
  const response = await made.fetch('/stream');
  const text = assert.rejects(response.text());
  await made.close();
  await text;
});

test('close waits for a call that waits to be sent again, and may be asked for twice', async (t) => {
  let asked = 0;
  const server = await testServer(t, (_req, res) => {
    asked += 1;
    res.writeHead(asked === 1 ? 503 : 200, { 'retry-after': '1' }).end('well');
  });
  const made = client(t, { baseUrl: server.url });
  let answered = false;
  const calling = made.fetch('/a').then(async (response) => {
    answered = true;
    return response.text();
  });
  await t.waitFor(() => assert.equal(asked, 1));
  await Promise.all([made.close(), made.close()]);
  assert.ok(answered);
  assert.equal(await calling, 'well');
  await made.close();
});

test('after close nothing is sent', async (t) => {
  const server = await testServer(t, echo);
  const made = createServiceClient({ credential: { kind: 'api-key', key: apiKey }, baseUrl: server.url });
  await (await made.fetch('/a')).text();
  await made.close();
  assert.equal(await codeOf(() => made.fetch('/a')), 'closed');
});
