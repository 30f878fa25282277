import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { TokenRecord } from '../../core/credential.ts';
import type { Store } from '../../core/store.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { mintedKind, wellFormed } from '../../crypto/key-format.ts';
import { listeners, resync } from '../../stores/listeners.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import { tokens, type MintRequest } from './tokens.ts';

const now = 1_800_000_000;
const request: MintRequest = {
  ttlSeconds: 3600,
  scopes: ['read'],
  allowedIps: ['10.0.0.0/8'],
  clientId: 'laptop',
  metadata: { why: 'trial' },
  createdBy: 'operator:admin',
};

function lifeOver(t: TestContext, store: Store, remembered?: number) {
  const life = tokens({ store, clock: () => now, ...(remembered === undefined ? {} : { remembered }) });
  t.after(() => life.close());
  return life;
}

/** Counts the questions for hashes, and holds the answers back while there is a gate. */
function watched(real: Store) {
  const asked: string[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const state = { gated: false };
  const store: Store = {
    ...real,
    tokens: {
      ...real.tokens,
      async byHash(hash) {
        asked.push(hash);
        const answer = await real.tokens.byHash(hash);
        if (state.gated) {
          const gate = Promise.withResolvers<void>();
          gates.push(gate);
          await gate.promise;
        }
        return answer;
      },
    },
  };
  return { store, asked, gates, state };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('mints a token of which the store has only the digest, under a UUID of its own', async (t) => {
  const store = memoryStore();
  const life = lifeOver(t, store);
  const { token, record } = await life.mint(request);
  assert.ok(wellFormed(token) && mintedKind(token) === 'st');
  assert.match(record.tokenId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(record.tokenHash, sha256Hex(token));
  assert.equal(record.expiresAt, now + 3600);
  assert.ok(!JSON.stringify(record).includes(token.slice(6)));
  assert.deepEqual(await life.byToken(token), record);
  assert.deepEqual(await life.get(record.tokenId), record);
  assert.deepEqual(await life.listActive(10), [record]);
});

test('refuses a minting that makes no sense before anything is stored', async (t) => {
  const store = memoryStore();
  const life = lifeOver(t, store);
  await assert.rejects(life.mint({ ...request, ttlSeconds: 0 }), RangeError);
  await assert.rejects(life.mint({ ...request, allowedIps: ['10.0.0.0/40'] }), TypeError);
  assert.deepEqual(await life.listActive(10), []);
});

test('finds a token by digest: first in the store, then in memory and at once', async (t) => {
  const { store, asked } = watched(memoryStore());
  const life = lifeOver(t, store);
  const { token, record } = await life.mint(request);
  const first = await life.find(sha256Hex(token));
  assert.partialDeepStrictEqual(first, {
    expiresAt: now + 3600,
    revoked: false,
    principal: {
      id: `token:${record.tokenId}`,
      scheme: 'session-token',
      credentialId: record.tokenId,
      scopes: ['read'],
    },
  });
  assert.ok(first?.principal.addresses?.contains('10.9.9.9'));
  assert.ok(Object.isFrozen(first) && Object.isFrozen(first?.principal));
  assert.equal(life.find(sha256Hex(token)), first);
  assert.equal(asked.length, 1);
  assert.ok(!JSON.stringify(first).includes(token.slice(6)));
});

test('an unknown token is asked for every time, so that a fresh one works at once', async (t) => {
  const real = memoryStore();
  const { store, asked } = watched(real);
  const life = lifeOver(t, store);
  const plain = 'd2b6a1de-7c0f-4c0e-9d7b-0f3ad6b1c111';
  assert.equal(await life.find(sha256Hex(plain)), null);
  const record: TokenRecord = {
    ...(await lifeOver(t, real).mint(request)).record,
    tokenId: plain,
    tokenHash: sha256Hex(plain),
  };
  await real.tokens.insert(record);
  assert.equal((await life.find(sha256Hex(plain)))?.principal.credentialId, plain);
  assert.equal(asked.length, 2);
});

test('many requests with one new token ask the store once', async (t) => {
  const { store, asked } = watched(memoryStore());
  const life = lifeOver(t, store);
  const { token } = await life.mint(request);
  const found = await Promise.all(Array.from({ length: 50 }, () => life.find(sha256Hex(token))));
  assert.equal(asked.length, 1);
  assert.equal(new Set(found).size, 1);
});

test('memory is bounded, and keeps what was used last', async (t) => {
  const { store, asked } = watched(memoryStore());
  const life = lifeOver(t, store, 3);
  const hashes: string[] = [];
  for (let index = 0; index < 4; index += 1) hashes.push((await life.mint(request)).record.tokenHash);
  const [a = '', b = '', c = '', d = ''] = hashes;
  for (const hash of [a, b, c]) await life.find(hash);
  await life.find(a);
  await life.find(d);
  asked.length = 0;
  for (const hash of [a, c, d]) await life.find(hash);
  assert.deepEqual(asked, []);
  await life.find(b);
  assert.deepEqual(asked, [b]);
});

test('a revoked token is dead the moment the revocation is acknowledged', async (t) => {
  const life = lifeOver(t, memoryStore());
  const { token, record } = await life.mint(request);
  await life.find(sha256Hex(token));
  assert.equal((await life.revoke(record.tokenId))?.revokedAt, now);
  assert.equal((await life.find(sha256Hex(token)))?.revoked, true);
  assert.equal(await life.revoke('d2b6a1de-7c0f-4c0e-9d7b-0f3ad6b1c111'), null);
});

test('a look-up under way while the token is revoked does not put it back to life', async (t) => {
  const { store, gates, state, asked } = watched(memoryStore());
  const life = lifeOver(t, store);
  const { token, record } = await life.mint(request);
  const hash = sha256Hex(token);
  state.gated = true;
  const before = life.find(hash);
  await turn();
  assert.equal(gates.length, 1, 'the store has answered that it is live, and the answer is on its way');
  await life.revoke(record.tokenId);
  const joined = life.find(hash);
  state.gated = false;
  gates[0]?.resolve();
  assert.equal((await before)?.revoked, true);
  assert.equal((await joined)?.revoked, true);
  assert.equal((await life.find(hash))?.revoked, true);
  assert.equal(asked.length, 2);
});

test('a change of another token does not hold up a look-up; a resync asks again', async (t) => {
  const feed = listeners();
  const { store, gates, state, asked } = watched(memoryStore());
  const life = lifeOver(t, { ...store, watch: (listener) => feed.add(listener) });
  const { token } = await life.mint(request);
  state.gated = true;
  const first = life.find(sha256Hex(token));
  await turn();
  feed.tell({ topic: 'tokens', id: 'another' });
  gates[0]?.resolve();
  const entry = await first;
  assert.equal(asked.length, 1);
  assert.equal(life.find(sha256Hex(token)), entry);
  feed.tell(resync);
  const second = life.find(sha256Hex(token));
  await turn();
  feed.tell(resync);
  state.gated = false;
  gates[1]?.resolve();
  assert.equal((await second)?.revoked, false);
  assert.equal(asked.length, 3);
});

test('what another process revokes is dead here', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-tokens-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const open = async (): Promise<Store> => {
    const store = sqliteStore({ file: join(folder, 'state.db'), pollMillis: 10 });
    t.after(() => store.close());
    await store.migrate();
    return store;
  };
  const here = lifeOver(t, await open());
  const there = lifeOver(t, await open());
  const { token, record } = await there.mint(request);
  assert.equal((await here.find(sha256Hex(token)))?.revoked, false);
  const heard = new Promise<void>((resolve) => {
    const alive = setInterval(() => {}, 1000);
    here.onChange((id) => {
      if (id !== null && id !== record.tokenId) return;
      clearInterval(alive);
      resolve();
    });
  });
  await there.revoke(record.tokenId);
  await heard;
  assert.equal((await here.find(sha256Hex(token)))?.revoked, true);
});

test('a store that is away rejects, and the next look-up asks anew', async (t) => {
  const real = memoryStore();
  const state = { away: true };
  const store: Store = {
    ...real,
    tokens: {
      ...real.tokens,
      byHash: (hash) => (state.away ? Promise.reject(new Error('away')) : real.tokens.byHash(hash)),
    },
  };
  const life = lifeOver(t, store);
  const { token } = await life.mint(request);
  await assert.rejects(async () => life.find(sha256Hex(token)), /away/);
  state.away = false;
  assert.equal((await life.find(sha256Hex(token)))?.revoked, false);
});
