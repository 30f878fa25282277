/** HTTP signatures through a real gateway, over sockets, on both kinds of store. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as sendRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ed25519PrivateKey } from '../../src/crypto/ed25519.ts';
import { hmacSha256 } from '../../src/crypto/hmac.ts';
import { randomSecret } from '../../src/crypto/random.ts';
import { createKey } from '../../src/keys/create.ts';
import { signHttpRequest, type RequestToSign, type SigningKey } from '../../src/schemes/http-signature/index.ts';
import {
  guardedEcho,
  type Answer,
  type GuardedEcho,
  type GuardedEchoOptions,
  type Sent,
} from '../fixtures/guarded-echo.ts';

interface Caller {
  readonly id: string;
  readonly key: SigningKey;
}

async function caller({ stack }: GuardedEcho, kind: 'hs' | 'ed25519' = 'hs', service = 'aidb'): Promise<Caller> {
  const order = { service, kind, expiresAt: null, now: stack.clock() } as const;
  const { record, key } = await createKey(stack.store, stack.seal, order);
  await known(stack, record.id);
  if (kind === 'ed25519') {
    const pair = ed25519PrivateKey(key);
    return { id: record.id, key: { keyid: record.id, sign: (base) => pair.sign(Buffer.from(base)) } };
  }
  const mac = hmacSha256(Buffer.from(key));
  return { id: record.id, key: { keyid: record.id, sign: (base) => mac.bytes(Buffer.from(base)) } };
}

function known(stack: GuardedEcho['stack'], id: string, live = true): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(look, 20);
    const stop = stack.keyring.onChange(look);
    function look(): void {
      if (stack.keyring.isLive(id) !== live) return;
      clearInterval(alive);
      stop();
      resolve();
    }
    look();
  });
}

async function signed(
  world: GuardedEcho,
  { key }: Caller,
  change: Partial<RequestToSign> = {},
): Promise<Sent & { readonly headers: Record<string, string> }> {
  const order: RequestToSign = {
    method: 'GET',
    target: '/echo/embed?model=a',
    authority: world.authority,
    scheme: 'http',
    body: null,
    created: Math.floor(world.stack.clock()),
    nonce: randomSecret(16).toString('base64url'),
    ...change,
  };
  const { headers } = await signHttpRequest(order, key);
  const body = order.body === null ? null : Buffer.from(order.body);
  return { method: order.method, target: order.target, headers, body };
}

function refused(answer: Answer, status: number, reason: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal((JSON.parse(answer.text) as { reason?: string }).reason, reason, answer.text);
}

const onBoth = (name: string, run: (t: TestContext, options: GuardedEchoOptions) => Promise<void>): void => {
  test(`${name}, with a memory store`, (t) => run(t, {}));
  test(`${name}, with SQLite`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-signature-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    return run(t, { store: `sqlite:${join(folder, 'state.db')}` });
  });
};

onBoth(
  'passes a signed request once, with and without a body, large, in chunks and under the service’s name',
  async (t, options) => {
    const world = await guardedEcho(t, options);
    const aidb = await caller(world);
    const plain = await signed(world, aidb);
    assert.equal((await world.send(plain)).status, 200);
    const replay = await world.send(plain);
    refused(replay, 401, 'replayed');

    const large = randomSecret(5 * 1024 * 1024);
    const inOne = await signed(world, aidb, { method: 'POST', body: large });
    assert.equal((await world.send(inOne)).status, 200);
    refused(await world.send(inOne), 401, 'replayed');
    const inPieces = await signed(world, aidb, { method: 'PUT', body: large });
    const pieces = Array.from({ length: 50 }, (_, index) => large.subarray(index * 104_858, (index + 1) * 104_858));
    assert.equal((await world.send({ ...inPieces, body: pieces })).status, 200);

    const byService = await signed(world, { ...aidb, key: { ...aidb.key, keyid: 'aidb' } });
    assert.equal((await world.send(byService)).status, 200);
    assert.deepEqual(world.reached, [
      'GET /embed?model=a service:aidb 0',
      `POST /embed?model=a service:aidb ${large.length}`,
      `PUT /embed?model=a service:aidb ${large.length}`,
      'GET /embed?model=a service:aidb 0',
    ]);
  },
);

test('Ed25519: passes, and refuses what another key signed', async (t) => {
  const world = await guardedEcho(t);
  const aidb = await caller(world, 'ed25519');
  const other = await caller(world, 'ed25519', 'other');
  const body = Buffer.from('{"input":"hello"}');
  assert.equal((await world.send(await signed(world, aidb, { method: 'POST', body }))).status, 200);
  const forged = await signed(world, { ...other, key: { ...other.key, keyid: aidb.id } }, { method: 'POST', body });
  refused(await world.send(forged), 401, 'invalid_signature');
  assert.equal(world.reached.length, 1);
});

test('a body that differs, is added or is cut from what was signed does not reach the service', async (t) => {
  const world = await guardedEcho(t);
  const aidb = await caller(world);
  const body = Buffer.from('{"input":"hello"}');
  const post = () => signed(world, aidb, { method: 'POST', body });
  refused(await world.send({ ...(await post()), body: Buffer.from('{"input":"hullo"}') }), 401, 'invalid_signature');
  refused(await world.send({ ...(await post()), body: [body, Buffer.from(' ')] }), 401, 'invalid_signature');
  refused(await world.send({ ...(await post()), body: null }), 401, 'invalid_signature');
  const bare = await signed(world, aidb, { method: 'POST' });
  refused(await world.send({ ...bare, body }), 401, 'invalid_signature');
  refused(await world.send({ ...bare, body: [body] }), 401, 'invalid_signature');
  assert.deepEqual(world.reached, []);
});

test('a signed body over maxSignedBody is 413, announced or not; the same without a signature is 401', async (t) => {
  const world = await guardedEcho(t, { service: 'maxSignedBody: 64KiB' });
  const aidb = await caller(world);
  const body = randomSecret(64 * 1024 + 1);
  const over = await signed(world, aidb, { method: 'POST', body });
  refused(await world.send(over), 413, 'too_large');
  const halves = [body.subarray(0, 32 * 1024), body.subarray(32 * 1024)];
  refused(await world.send({ ...over, body: halves }), 413, 'too_large');
  refused(await world.send({ method: 'POST', target: over.target, body }), 401, 'missing_credentials');
  const within = await signed(world, aidb, { method: 'POST', body: body.subarray(1) });
  assert.equal((await world.send(within)).status, 200);
  // The refused one took no nonce, so what made it too large was the body alone.
  refused(await world.send(over), 413, 'too_large');
});

test('a late clock is answered with the time and with what would be accepted, and corrected by it', async (t) => {
  const world = await guardedEcho(t, { service: 'signature: { age: 20s, skew: 10s }' });
  const aidb = await caller(world);
  const now = Math.floor(world.stack.clock());
  for (const created of [now - 60, now + 60]) {
    const answer = await world.send(await signed(world, aidb, { created }));
    refused(answer, 401, 'timestamp_outside_window');
    assert.match(String(answer.headers['accept-signature']), /^countersign=\("@method".*;tag="countersign"$/);
    const told = Date.parse(answer.headers.date ?? '') / 1000;
    assert.ok(Math.abs(told - world.stack.clock()) < 10);
    assert.equal((await world.send(await signed(world, aidb, { created: told }))).status, 200);
  }
  const forged = await world.send({ ...(await signed(world, aidb)), target: '/echo/other' });
  refused(forged, 401, 'invalid_signature');
  assert.equal(forged.headers['accept-signature'], undefined);
});

onBoth('a signature from a clock that is ahead cannot be used again for as long as it is good', async (t, options) => {
  let time = 1_800_000_000;
  const world = await guardedEcho(t, { ...options, clock: () => time });
  const aidb = await caller(world);
  const ahead = await signed(world, aidb, { created: time + 30 });
  assert.equal((await world.send(ahead)).status, 200);
  for (const later of [0, 30, 60, 89, 90]) {
    time = 1_800_000_000 + later;
    refused(await world.send(ahead), 401, 'replayed');
  }
  time += 1;
  refused(await world.send(ahead), 401, 'timestamp_outside_window');
});

test('ten thousand forged requests take no nonce: the right one passes after them, once', async (t) => {
  // It stands still: on a busy machine they last longer than a signature is good for.
  const now = Date.now() / 1000;
  const world = await guardedEcho(t, { clock: () => now });
  const aidb = await caller(world);
  const body = Buffer.from('{"input":"hello"}');
  const right = await signed(world, aidb, { method: 'POST', body });
  const forgeries: Sent[] = [
    { ...right, headers: { ...right.headers, signature: `countersign=:${Buffer.alloc(32).toString('base64')}:` } },
    { ...right, target: '/echo/other' },
    { ...right, method: 'PUT' },
    { ...right, body: Buffer.from('{"input":"hullo"}') },
    { ...right, body: null },
  ];
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  t.after(() => agent.destroy());
  const total = 10_000;
  let sent = 0;
  async function forge(): Promise<void> {
    while (sent < total) {
      const forged = forgeries[(sent += 1) % forgeries.length] as Sent;
      refused(await world.send({ ...forged, agent }), 401, 'invalid_signature');
    }
  }
  await Promise.all(Array.from({ length: 16 }, forge));
  assert.equal((await world.send(right)).status, 200);
  refused(await world.send(right), 401, 'replayed');
  assert.equal(world.reached.length, 1);
});

onBoth('a revoked key is refused from then on, and a new one of the service takes over', async (t, options) => {
  const world = await guardedEcho(t, options);
  const first = await caller(world);
  const second = await caller(world, 'ed25519');
  const named = ({ key }: Caller): Caller => ({ id: '', key: { ...key, keyid: 'aidb' } });
  for (const one of [first, second, named(first), named(second)])
    assert.equal((await world.send(await signed(world, one))).status, 200);
  await world.stack.store.keys.revoke(first.id, world.stack.clock());
  await known(world.stack, first.id, false);
  refused(await world.send(await signed(world, first)), 401, 'revoked');
  refused(await world.send(await signed(world, named(first))), 401, 'revoked');
  assert.equal((await world.send(await signed(world, named(second)))).status, 200);
});

test('asked before the other schemes: a broken signature is not made good by an API key', async (t) => {
  const world = await guardedEcho(t);
  const aidb = await caller(world);
  const { stack } = world;
  const order = { service: 'aidb', kind: 'sk', expiresAt: null, now: stack.clock() } as const;
  const { key, record } = await createKey(stack.store, stack.seal, order);
  await known(stack, record.id);
  const authorization = `Bearer ${key}`;
  const request = await signed(world, aidb);
  const broken = await world.send({
    ...request,
    target: '/echo/other',
    headers: { ...request.headers, authorization },
  });
  refused(broken, 401, 'invalid_signature');
  const right = await world.send({ ...request, headers: { ...request.headers, authorization } });
  assert.equal(right.status, 200);
});

test('callers who never finish what they signed leave room for the signed bodies of others', async (t) => {
  const world = await guardedEcho(t);
  const slow = [await caller(world, 'hs', 'slow'), await caller(world, 'hs', 'slower')];
  const aidb = await caller(world);
  const body = randomSecret(10 * 1024 * 1024);
  const [host = '', port] = world.authority.split(':');
  for (const one of slow) {
    const order = await signed(world, one, { method: 'POST', body });
    const turnedAway = new Set<number>();
    for (let count = 0; count < 7; count += 1) {
      const headers = { ...order.headers, 'content-length': body.length };
      const upload = sendRequest({ host, port, method: 'POST', path: order.target, headers }, (answer) => {
        if (answer.statusCode === 503) turnedAway.add(count);
        answer.resume();
      });
      t.after(() => upload.destroy());
      upload.on('error', () => undefined).write(body.subarray(1));
    }
    for (let looks = 0; looks < 250 && turnedAway.size < 4; looks += 1) await pause(20);
  }
  const mine = await signed(world, aidb, { method: 'POST', body });
  assert.equal((await world.send(mine)).status, 200);
});
