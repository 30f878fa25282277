import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { create } from 'axios';
import { Agent, fetch as undiciFetch, interceptors, request, type Dispatcher } from 'undici';
import { systemClock } from '../core/clock.ts';
import { ed25519Pair, ed25519PublicKey } from '../crypto/ed25519.ts';
import { createKey } from '../keys/create.ts';
import { codeOf, echo, folder, gatewayFixture, principal, signatureServer, testServer } from './client.fixtures.ts';
import { authHeaders, signingInterceptor, type ServiceCredential } from './index.ts';

const hmacKey = '0123456789abcdef'.repeat(4);

function composed(t: TestContext, ...parts: Dispatcher.DispatcherComposeInterceptor[]): Dispatcher {
  const agent = new Agent();
  t.after(() => agent.close());
  return agent.compose(...parts);
}

async function signing(t: TestContext) {
  const pair = await ed25519Pair();
  const key = ed25519PublicKey(pair.publicPem);
  const entry = { principal: principal('service:aidb'), expiresAt: null, revoked: false };
  const server = await signatureServer(t, {
    ed: [
      {
        ...entry,
        algorithm: 'ed25519',
        verify: (base, mine) => key.verify(Buffer.from(base), Buffer.from(mine, 'base64')),
      },
    ],
  });
  const credential: ServiceCredential = { kind: 'http-signature', keyid: 'ed', key: pair.privatePem };
  return { server, credential };
}

test('undici: every request through the dispatcher is proven to the gateway', async (t) => {
  const { stack, url } = await gatewayFixture(t);
  for (const kind of ['sk', 'hs'] as const) {
    const order = { service: 'aidb', kind, expiresAt: null, now: systemClock() };
    const { key } = await createKey(stack.store, stack.seal, order);
    const credential: ServiceCredential =
      kind === 'sk' ? { kind: 'api-key', key } : { kind: 'service-signature', serviceId: 'aidb', key };
    const dispatcher = composed(t, signingInterceptor(credential));
    const plain = await request(`${url}/embeddings/a`, { dispatcher, query: { q: 'a b' }, headers: { 'x-mine': '1' } });
    assert.equal(plain.statusCode, 200);
    assert.equal(((await plain.body.json()) as { url: string }).url, '/a?q=a%20b');
    const fetched = await undiciFetch(`${url}/embeddings/b`, { dispatcher, method: 'POST', body: 'text' });
    assert.equal(fetched.status, 200);
    assert.deepEqual(((await fetched.json()) as { body: string }).body, 'text');
  }
});

test('undici: signs target and body as they go on the wire, whatever form they have', async (t) => {
  const { server, credential } = await signing(t);
  const dispatcher = composed(t, signingInterceptor(credential));
  const bodies: [Dispatcher.RequestOptions['body'], string][] = [
    [null, ''],
    ['text', 'text'],
    [Buffer.from('bytes'), 'bytes'],
    [Readable.from(['a', 'stream']), 'astream'],
  ];
  for (const [body, text] of bodies) {
    const response = await request(`${server.url}/a/%7e?x=1`, {
      dispatcher,
      method: body === null ? 'GET' : 'PUT',
      body,
      headers: ['X-Twice', 'a', 'x-twice', 'b'],
    });
    const answer = await response.body.text();
    assert.equal(response.statusCode, 200, answer);
    assert.equal((JSON.parse(answer) as { body: string }).body, text);
    assert.equal(server.seen.at(-1)?.headers['x-twice'], 'a, b');
  }
  const dots = await dispatcher.request({ origin: server.url, path: "/a//b'?", method: 'GET', query: {} });
  assert.equal(dots.statusCode, 200, await dots.body.text());
});

test('undici: below a retry every attempt has a signature of its own', async (t) => {
  const nonces = new Set<string>();
  const server = await testServer(t, (req, res) => {
    nonces.add(String(req.headers['signature-input']));
    res.writeHead(nonces.size < 3 ? 503 : 200).end('done');
  });
  const credential = { kind: 'http-signature', keyid: 'a', key: hmacKey } as const;
  const retry = interceptors.retry({ minTimeout: 1, maxRetries: 5 });
  const response = await request(server.url, { dispatcher: composed(t, signingInterceptor(credential), retry) });
  assert.equal(await response.body.text(), 'done');
  assert.equal(nonces.size, 3);
});

test(
  'undici: a request that is given up while its body is read for the signature ends',
  { timeout: 5000 },
  async (t) => {
    const server = await testServer(t, echo);
    const credential = { kind: 'http-signature', keyid: 'a', key: hmacKey } as const;
    const dispatcher = composed(t, signingInterceptor(credential));
    const endless = new Readable({ read: () => undefined });
    const streams = [endless, new ReadableStream() as unknown as Readable];
    for (const body of streams) {
      const signal = AbortSignal.timeout(20);
      await assert.rejects(request(server.url, { dispatcher, method: 'PUT', body, signal }), { name: 'TimeoutError' });
    }
    assert.ok(endless.destroyed);
    assert.equal(server.seen.length, 0);
  },
);

test('undici: bound to a base, the credential goes nowhere else', async (t) => {
  const elsewhere = await testServer(t, echo);
  const server = await testServer(t, (req, res) => {
    if (req.url === '/svc/go') res.writeHead(302, { location: elsewhere.url }).end();
    else echo(req, res);
  });
  const credential = { kind: 'api-key', key: hmacKey } as const;
  const dispatcher = composed(
    t,
    signingInterceptor(credential, { baseUrl: `${server.url}/svc` }),
    interceptors.redirect({ maxRedirections: 3 }),
  );
  await (await request(`${server.url}/svc/go`, { dispatcher })).body.text();
  assert.equal(server.seen[0]?.headers.authorization, `Bearer ${hmacKey}`);
  assert.equal(elsewhere.seen[0]?.headers.authorization, undefined);
  await (await request(`${server.url}/svcx`, { dispatcher })).body.text();
  assert.equal(server.seen[1]?.headers.authorization, undefined);
  // Sent as they stand: to a server that leaves dots or a backslash as they are, these belong to another service.
  for (const path of ['/other/../svc/a', '/other/..\\svc/a', '/svc/../other', '/svc\\a', '/svc/..\\other']) {
    await (await dispatcher.request({ origin: server.url, path, method: 'GET' })).body.text();
    assert.equal(server.seen.at(-1)?.url, path);
    assert.equal(server.seen.at(-1)?.headers.authorization, undefined, path);
  }
  await (await dispatcher.request({ origin: server.url, path: '/svc?a=/../b', method: 'GET' })).body.text();
  assert.equal(server.seen.at(-1)?.headers.authorization, `Bearer ${hmacKey}`);
});

test('undici: what cannot be signed fails the request', async (t) => {
  const { server, credential } = await signing(t);
  const dispatcher = composed(t, signingInterceptor(credential, { signedBodyBytesMax: 4 }));
  const send = (body: string | Readable) => () => request(server.url, { dispatcher, method: 'POST', body });
  assert.equal(await codeOf(send(Readable.from(['more', 'than four']))), 'body_not_signable');
  const broken = new Readable({
    read() {
      this.destroy(new Error('the disk broke'));
    },
  });
  await assert.rejects(send(broken), /the disk broke/);
  // A handler as undici 6 has them.
  const told = await new Promise<Error>((onError) => {
    const body = Readable.from(['more', 'than four']);
    dispatcher.dispatch(
      { origin: server.url, path: '/', method: 'POST', body },
      { onConnect: () => undefined, onError },
    );
  });
  assert.equal((told as Error & { code?: string }).code, 'body_not_signable');
  assert.equal(server.seen.length, 0);
});

test('axios: a request interceptor adds what proves the request', async (t) => {
  const { server, credential } = await signing(t);
  const headersOf = authHeaders(credential);
  const http = create({ baseURL: `${server.url}/base/` });
  http.interceptors.request.use(async (config) => {
    const { method = 'get' } = config;
    const body = config.data as string | undefined;
    // axios writes some characters of params in another way than URLs do: what is signed is to be what is sent.
    const url = new URL(http.getUri(config)).href;
    config.headers.set(await headersOf({ method, url, body: body ?? null }));
    return Object.assign(config, { url, baseURL: undefined, params: undefined });
  });
  const got = await http.get<{ caller: string; url: string }>('/a b', { params: { q: ['x y', "'"] } });
  assert.equal(got.data.caller, 'service:aidb');
  const type = { headers: { 'content-type': 'application/json' } };
  const posted = await http.post<{ body: string }>('embed', JSON.stringify({ text: 'hello' }), type);
  assert.equal(posted.data.body, '{"text":"hello"}');
});

test('a header function follows its key file and asks for the bytes that it signs', async (t) => {
  const file = join(await folder(t), 'key');
  await writeFile(file, hmacKey, { mode: 0o600 });
  const headersOf = authHeaders(
    { kind: 'http-signature', keyid: 'a', keyFile: file },
    { baseUrl: 'https://stack.internal/svc' },
  );
  const headers = await headersOf({ method: 'post', url: '/a', body: 'x' });
  assert.deepEqual(Object.keys(headers).sort(), ['content-digest', 'signature', 'signature-input']);
  assert.deepEqual(Object.keys(await headersOf({ url: '/a' })).sort(), ['signature', 'signature-input']);
  const object = { text: 'hello' } as unknown as string;
  assert.equal(await codeOf(() => headersOf({ method: 'POST', url: '/a', body: object })), 'body_not_signable');
  assert.equal(await codeOf(() => headersOf({ url: 'https://elsewhere.example/' })), 'outside_base');
});
