import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { adminToken, startAuthority, type AuthorityFixture } from '../../../test/fixtures/authority-stack.ts';
import { nodeRequest } from '../../adapters/node/request.ts';
import { createServiceClient } from '../../client/index.ts';
import { protection } from '../../compose/protection/protection.ts';
import { systemClock } from '../../core/clock.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { createKey } from '../create.ts';
import { authoritySource, type AuthoritySource, type AuthoritySourceOptions } from './authority.ts';
import { mintRequest } from '../../../test/fixtures/mint-request.ts';

const yaml = `services:
  embeddings:
    upstream: 'http://127.0.0.1:1'
    routes:
      - { path: /batch, callers: [aidb] }
callers: [aidb]
`;

/** A port in front of the authority that can be cut off and put back, as a network can. */
async function door(t: TestContext, first: number) {
  let port = first;
  const sockets = new Set<Socket>();
  let open = true;
  const server = createServer();
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    if (!open) {
      socket.destroy();
      return;
    }
    const inner = connect(port, '127.0.0.1');
    for (const each of [socket, inner]) {
      sockets.add(each);
      each.on('error', () => undefined).on('close', () => void sockets.delete(each));
    }
    socket.pipe(inner).pipe(socket);
    socket.on('close', () => inner.destroy());
    inner.on('close', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    open = false;
    for (const socket of sockets) socket.destroy();
  };
  t.after(async () => {
    cut();
    server.close();
    await once(server, 'close');
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    restore(at = port) {
      [port, open] = [at, true];
    },
  };
}

/** A service that judges by itself, with keys from the authority. */
async function service(t: TestContext, from: AuthoritySource) {
  const guarded = await protection({ service: 'embeddings', keys: [from], env: {}, warn: () => undefined });
  const server: Server = createServer(async (req, res) => {
    const { trustedProxies } = guarded;
    const request = nodeRequest({ req, service: 'embeddings', path: '/a', trustedProxies, bodyLimit: 1 << 20 });
    const { verdict } = await guarded.guard.decide(request);
    if (verdict?.allowed) {
      res.end(verdict.principal.id);
      return;
    }
    const refusal = guarded.guard.refusal(verdict as NonNullable<typeof verdict>, 'embeddings');
    res.writeHead(refusal.status, refusal.headers).end(refusal.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    await guarded.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, guarded };
}

async function created({ stack }: AuthorityFixture, kind: 'sk' | 'hs' | 'ed25519') {
  return createKey(stack.store, stack.seal, { service: 'aidb', kind, expiresAt: null, now: systemClock() });
}

function source(url: string, options: Partial<AuthoritySourceOptions> = {}): AuthoritySource {
  return authoritySource({ url, service: 'embeddings', token: adminToken, ...options });
}

async function statusOf(url: string, token: string): Promise<number> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  await response.text();
  return response.status;
}

/** Asks until the answer is the wanted one: what a change takes is not measured here. */
async function until(ask: () => Promise<number>, wanted: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if ((await ask()) === wanted) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.equal(await ask(), wanted);
}

test('a service that names no caller is given no secret, and warned of what to write', async (t) => {
  const fixture = await startAuthority(t, { yaml: "services: { embeddings: { upstream: 'http://127.0.0.1:1' } }\n" });
  await created(fixture, 'hs');
  const warned: string[] = [];
  await service(t, source(fixture.origin, { onWarning: (text) => void warned.push(text) }));
  assert.match(warned.join(), /HMAC secret of aidb is withheld.* write callers: \[aidb\] at a route of embeddings/);
});

test('a service verifies every kind of credential with what the authority says', async (t) => {
  const fixture = await startAuthority(t, { yaml });
  const [sk, hs, ed] = [await created(fixture, 'sk'), await created(fixture, 'hs'), await created(fixture, 'ed25519')];
  const { token } = await fixture.stack.tokens.mint(mintRequest);
  const { url } = await service(t, source(fixture.origin));
  for (const credential of [
    { kind: 'api-key', key: sk.key },
    { kind: 'service-signature', serviceId: 'aidb', key: hs.key },
    { kind: 'http-signature', keyid: hs.record.id, key: hs.key },
    { kind: 'http-signature', keyid: 'aidb', key: ed.key },
  ] as const) {
    const client = createServiceClient({ credential, baseUrl: url });
    t.after(() => client.close());
    const response = await client.fetch('/a', { method: 'POST', body: 'x' });
    assert.equal(await response.text(), 'service:aidb', JSON.stringify(credential.kind));
  }
  assert.equal(await statusOf(url, token), 200);
  assert.equal(await statusOf(url, `${token}x`), 401);
});

test('what is created or revoked at the authority counts at the service as it happens', async (t) => {
  const fixture = await startAuthority(t, { yaml });
  const { url } = await service(t, source(fixture.origin));
  const { key, record } = await created(fixture, 'sk');
  const { token, record: minted } = await fixture.stack.tokens.mint(mintRequest);
  await until(() => statusOf(url, key), 200);
  assert.equal(await statusOf(url, token), 200);
  await fixture.stack.store.keys.revoke(record.id, systemClock());
  await fixture.stack.tokens.revoke(minted.tokenId);
  await until(() => statusOf(url, key), 401);
  await until(() => statusOf(url, token), 401);
});

test('keeps working while the authority is away, then refuses as unavailable, and recovers', async (t) => {
  const fixture = await startAuthority(t, { yaml });
  const { key, record } = await created(fixture, 'sk');
  const { token } = await fixture.stack.tokens.mint(mintRequest);
  const entry = await door(t, fixture.port);
  let moved = 0;
  const elapsed = () => performance.now() / 1000 + moved;
  const warnings: string[] = [];
  const onWarning = (text: string) => void warnings.push(text);
  const from = source(entry.url, { staleSecondsMax: 600, elapsed, onWarning });
  const { url } = await service(t, from);
  assert.equal(await statusOf(url, key), 200);
  assert.equal(await statusOf(url, token), 200);

  entry.cut();
  await until(async () => from.warnings().length, 1);
  assert.equal(await statusOf(url, key), 200);
  assert.equal(await statusOf(url, token), 200);
  const { token: unseen } = await fixture.stack.tokens.mint(mintRequest);
  assert.equal(await statusOf(url, unseen), 503, 'whether it is one of theirs cannot be told');
  const { key: newKey } = await created(fixture, 'sk');
  assert.equal(await statusOf(url, newKey), 503, 'nor of a key');
  assert.equal(await statusOf(url, newKey.slice(0, -1) + (newKey.endsWith('0') ? '1' : '0')), 401, 'mistyped');
  await fixture.stack.store.keys.revoke(record.id, systemClock());
  assert.equal(await statusOf(url, key), 200, 'nobody here knows yet');

  moved = 700;
  assert.equal(await statusOf(url, key), 503);
  await until(() => statusOf(url, token), 503);

  entry.restore();
  await until(() => statusOf(url, key), 401);
  await until(() => statusOf(url, token), 200);
  assert.equal(await statusOf(url, unseen), 200);
  assert.equal(await statusOf(url, newKey), 200);
  assert.ok(warnings.some((text) => /up to date/.test(text)));
  assert.ok(warnings.length < 10, 'an outage is told once');
  for (const text of warnings) assert.ok(!text.includes(adminToken));
});

test(
  'an authority that has nothing new to say is not away, however long it has not',
  { timeout: 30_000 },
  async (t) => {
    const fixture = await startAuthority(t, { yaml });
    const { key } = await created(fixture, 'sk');
    let [moved, answers] = [0, 0];
    const from = source(fixture.origin, {
      staleSecondsMax: 600,
      elapsed: () => performance.now() / 1000 + moved,
      // Without waiting for news: the answer is then at once that there are none.
      async fetch(input, init) {
        const answer = await fetch(String(input).replace(/wait=[0-9]+/, 'wait=0'), init);
        answers += 1;
        return answer;
      },
    });
    const { url } = await service(t, from);
    for (let passed = 0; passed < 2; passed += 1) {
      moved += 500;
      const heard = answers;
      await until(async () => Math.min(answers - heard, 2), 2);
      assert.equal(await statusOf(url, key), 200);
    }
  },
);

test('an hour is relied on what was heard last, unless the service says otherwise', async (t) => {
  const fixture = await startAuthority(t, { yaml });
  const { key } = await created(fixture, 'sk');
  const entry = await door(t, fixture.port);
  let moved = 0;
  const from = source(entry.url, { elapsed: () => performance.now() / 1000 + moved });
  const { url } = await service(t, from);
  entry.cut();
  await until(async () => from.warnings().length, 1);
  moved = 3500;
  assert.equal(await statusOf(url, key), 200);
  moved = 3601;
  assert.equal(await statusOf(url, key), 503);
});

test('a service starts while the authority is away, and judges as soon as it is there', async (t) => {
  const fixture = await startAuthority(t, { yaml });
  const { key } = await created(fixture, 'sk');
  const entry = await door(t, fixture.port);
  entry.cut();
  const { url } = await service(t, source(entry.url, { staleSecondsMax: Infinity }));
  assert.equal(await statusOf(url, key), 503);
  entry.restore();
  await until(() => statusOf(url, key), 200);
});

test('an authority that was started anew is asked for everything', async (t) => {
  const store = memoryStore();
  const before = await startAuthority(t, { yaml, store });
  const { key, record } = await created(before, 'sk');
  const { token } = await before.stack.tokens.mint(mintRequest);
  const entry = await door(t, before.port);
  const { url } = await service(t, source(entry.url));
  assert.deepEqual([await statusOf(url, key), await statusOf(url, token)], [200, 200]);
  entry.cut();
  await store.keys.revoke(record.id, systemClock());
  const [active] = await store.tokens.listActive(systemClock(), 1);
  await store.tokens.revoke(active?.tokenId ?? '', systemClock());
  const after = await startAuthority(t, { yaml, store });
  entry.restore(after.port);
  await until(() => statusOf(url, key), 401);
  await until(() => statusOf(url, token), 401);
});

test('an authority that forbids it, or is none, is one that is away', async (t) => {
  const fixture = await startAuthority(t, { yaml });
  const { key } = await created(fixture, 'sk');
  const warnings: string[] = [];
  const onWarning = (text: string) => void warnings.push(text);
  const wrong = await service(t, source(fixture.origin, { token: key, onWarning }));
  assert.equal(await statusOf(wrong.url, key), 503);
  assert.match(warnings.join('\n'), /answers 403: Insufficient scope/);

  const impostor = createServer((_req, res) => void res.end('{"data":{"secret":"of somebody"}}'));
  impostor.listen(0, '127.0.0.1');
  await once(impostor, 'listening');
  t.after(() => impostor.close());
  const other = await service(t, source(`http://127.0.0.1:${(impostor.address() as AddressInfo).port}`, { onWarning }));
  assert.equal(await statusOf(other.url, key), 503);
  assert.match(warnings.join('\n'), /answers with what are no keys/);

  const asked: string[] = [];
  const signpost = createServer((req, res) => {
    asked.push(req.url ?? '');
    res.writeHead(307, { location: '/elsewhere' }).end();
  });
  signpost.listen(0, '127.0.0.1');
  await once(signpost, 'listening');
  t.after(() => signpost.close());
  const led = await service(t, source(`http://127.0.0.1:${(signpost.address() as AddressInfo).port}`, { onWarning }));
  assert.equal(await statusOf(led.url, key), 503);
  assert.ok(asked.length > 0 && !asked.includes('/elsewhere'), 'the token goes where it was told to, and nowhere else');
  assert.doesNotMatch(warnings.join('\n'), /of somebody/);
});

test('a digest revoked at the authority is dead in the service’s own files, too', async (t) => {
  const fixture = await startAuthority(t, { yaml });
  const { record } = await created(fixture, 'sk');
  await fixture.stack.store.keys.revoke(record.id, systemClock());
  const { guarded } = await service(t, source(fixture.origin));
  assert.equal(guarded.stack.keyring.apiKey(record.digest), undefined);
  const own = {
    name: 'own',
    start: () => Promise.resolve(),
    warnings: () => [],
    close: () => undefined,
    keys: () =>
      [{ kind: 'sk', credentialId: 'file:a', digest: record.digest, service: 'embeddings', acceptedAt: null }] as const,
  };
  const from = source(fixture.origin);
  const both = await protection({ service: 'embeddings', keys: [own, from], env: {}, warn: () => undefined });
  t.after(() => both.close());
  assert.equal(both.stack.keyring.apiKey(record.digest)?.revoked, true);
});

test('misuse shows when the source is made', () => {
  const options = { url: 'https://stack.internal', service: 'embeddings', token: 'a-token' };
  for (const wrong of [
    { url: 'http://stack.internal:8700' },
    { url: 'ftp://127.0.0.1' },
    { url: 'nonsense' },
    { staleSecondsMax: 0 },
    { timeoutSeconds: 0 },
    { timeoutSeconds: Infinity },
    { tokenFile: '/a/file' },
    { token: 'two words' },
  ])
    assert.throws(() => authoritySource({ ...options, ...wrong }), TypeError);
  for (const url of ['http://localhost:1', 'http://127.8.9.1', 'http://[::1]:8700', options.url])
    authoritySource({ ...options, url }).close();
});
