import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Store } from '../core/store.ts';
import type { Principal } from '../core/verdict.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { sealWith } from '../crypto/seal.ts';
import { listeners, resync } from '../stores/listeners.ts';
import { memoryStore } from '../stores/memory/store.ts';
import { createKey } from './create.ts';
import { keyring } from './keyring/keyring.ts';
import { liveness } from './liveness.ts';
import { revokeKey } from './revoke.ts';
import { secretFiles } from './sources/index.ts';
import { tokens } from './tokens/tokens.ts';
import { mintRequest } from '../../test/fixtures/mint-request.ts';

const seal = sealWith('ab'.repeat(32));
const now = 1_800_000_000;
const order = { service: 'aidb', kind: 'sk', expiresAt: null, now } as const;

const onWarning = (): void => {};
const services = () => [{ name: 'embeddings', apiKeyFile: null }];

async function watchOver(t: TestContext, store: Store, pattern?: string) {
  let time = now;
  const clock = (): number => time;
  const sources = pattern ? [secretFiles({ pattern, services, onWarning })] : [];
  const ring = await keyring({ store, seal, sources, clock, onWarning });
  const life = tokens({ store, clock });
  const watch = liveness({
    keyring: ring,
    tokens: life,
    clock,
    certificates: { has: () => false, onChange: () => () => undefined },
  });
  const alive = setInterval(() => {}, 1000);
  t.after(() => {
    clearInterval(alive);
    watch.close();
    life.close();
    ring.close();
  });
  const keyPrincipal = (key: string): Principal => {
    const found = ring.apiKey(sha256Hex(key));
    assert.ok(found);
    return found.principal;
  };
  const tokenPrincipal = async (token: string): Promise<Principal> => {
    const found = await life.find(sha256Hex(token));
    assert.ok(found);
    return found.principal;
  };
  /** Resolves when the stream of this principal is ended; a second end is an error. */
  const dead = (principal: Principal): Promise<void> =>
    new Promise((resolve) => {
      let ends = 0;
      watch.track(principal, () => {
        ends += 1;
        assert.equal(ends, 1);
        resolve();
      });
    });
  return { ring, life, watch, keyPrincipal, tokenPrincipal, dead, setTime: (to: number) => void (time = to) };
}

const never = (): void => assert.fail('a live stream was ended');

test('ends the streams of a key when it is revoked, and no others', async (t) => {
  const store = memoryStore();
  const [one, other] = [await createKey(store, seal, order), await createKey(store, seal, order)];
  const { dead, keyPrincipal, watch } = await watchOver(t, store);
  watch.track(keyPrincipal(other.key), never);
  const ended = Promise.all([dead(keyPrincipal(one.key)), dead(keyPrincipal(one.key))]);
  await revokeKey(store, one.record.id, now);
  await ended;
});

test('ends the streams of a token when it is revoked, here or by another process', async (t) => {
  const store = memoryStore();
  const { dead, life, tokenPrincipal, watch } = await watchOver(t, store);
  const [here, there, other] = [
    await life.mint(mintRequest),
    await life.mint(mintRequest),
    await life.mint(mintRequest),
  ];
  watch.track(await tokenPrincipal(other.token), never);
  const ended = dead(await tokenPrincipal(here.token));
  await life.revoke(here.record.tokenId);
  await ended;
  const endedToo = dead(await tokenPrincipal(there.token));
  await store.tokens.revoke(there.record.tokenId, now);
  await endedToo;
});

test('ends streams when their credential expires', async (t) => {
  const store = memoryStore();
  const { key } = await createKey(store, seal, { ...order, expiresAt: now + 30 });
  const { dead, keyPrincipal, life, tokenPrincipal, setTime, watch } = await watchOver(t, store);
  const { token } = await life.mint(mintRequest);
  const ends: string[] = [];
  const keyEnd = dead(keyPrincipal(key)).then(() => ends.push('key'));
  const tokenEnd = dead(await tokenPrincipal(token)).then(() => ends.push('token'));
  watch.track({ ...keyPrincipal(key), id: 'operator:admin', expiresAt: null }, never);
  setTime(now + 30);
  await keyEnd;
  assert.deepEqual(ends, ['key']);
  setTime(now + 60);
  await tokenEnd;
});

test('a key whose end is moved keeps its streams until then, and no longer', async (t) => {
  const store = memoryStore();
  const [one, other] = [await createKey(store, seal, order), await createKey(store, seal, order)];
  const { dead, keyPrincipal, ring, setTime, watch } = await watchOver(t, store);
  const [byOne, byOther] = [keyPrincipal(one.key), keyPrincipal(other.key)];
  let ended = false;
  const end = dead(byOne).then(() => (ended = true));
  const stop = watch.track(byOther, never);
  const heard = new Promise<void>((resolve) => ring.onChange(() => ring.endOf(byOther) === now + 60 && resolve()));
  await store.keys.setExpiry(one.record.id, now + 30);
  await store.keys.setExpiry(other.record.id, now + 60);
  await heard;
  assert.deepEqual([ended, ring.endOf(byOne), ring.holds(byOne)], [false, now + 30, true]);
  // A stream that is opened by what was judged a moment before the change is no other.
  const late = dead(byOne);
  setTime(now + 30);
  await Promise.all([end, late]);
  assert.equal(ring.holds(byOne), false);
  stop();
});

test('ends the stream of a file key when the file vanishes', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-liveness-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'embeddings_api_key');
  writeFileSync(path, 'a4f1c09b77e2d35568aa01bc9d3fe642', { mode: 0o600 });
  const { dead, keyPrincipal } = await watchOver(t, memoryStore(), join(folder, '*_api_key'));
  const ended = dead(keyPrincipal('a4f1c09b77e2d35568aa01bc9d3fe642'));
  rmSync(path);
  await ended;
});

test('ends a stream whose credential was revoked between the verdict and the tracking', async (t) => {
  const store = memoryStore();
  const { key, record } = await createKey(store, seal, order);
  const { dead, keyPrincipal, life, tokenPrincipal } = await watchOver(t, store);
  const byKey = keyPrincipal(key);
  const minted = await life.mint(mintRequest);
  const byToken = await tokenPrincipal(minted.token);
  await revokeKey(store, record.id, now);
  await life.revoke(minted.record.tokenId);
  await Promise.all([dead(byKey), dead(byToken)]);
});

test('after missed changes every token with open streams is asked for, and an outage ends nothing', async (t) => {
  const real = memoryStore();
  const feed = listeners();
  const state = { away: false };
  const store: Store = {
    ...real,
    watch: (listener) => feed.add(listener),
    tokens: {
      ...real.tokens,
      get: (id) => (state.away ? Promise.reject(new Error('away')) : real.tokens.get(id)),
    },
  };
  const { dead, life, tokenPrincipal, watch } = await watchOver(t, store);
  const [bad, good] = [await life.mint(mintRequest), await life.mint(mintRequest)];
  let ended = false;
  const end = dead(await tokenPrincipal(bad.token)).then(() => (ended = true));
  watch.track(await tokenPrincipal(good.token), never);
  await real.tokens.revoke(bad.record.tokenId, now);
  state.away = true;
  feed.tell(resync);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(ended, false);
  state.away = false;
  await end;
});

test('a stream that ended by itself is not told, and a callback that throws stops no other', async (t) => {
  const store = memoryStore();
  const { key, record } = await createKey(store, seal, order);
  const { dead, keyPrincipal, watch } = await watchOver(t, store);
  const principal = keyPrincipal(key);
  watch.track(principal, never)();
  watch.track(principal, () => {
    throw new Error('the socket is gone');
  });
  const complaint = new Promise<Error>((resolve) => process.once('warning', resolve));
  const ended = dead(principal);
  await revokeKey(store, record.id, now);
  await ended;
  assert.match((await complaint).message, /the socket is gone/);
});

test('ends 10,000 streams of as many tokens, each exactly once', async (t) => {
  const store = memoryStore();
  const { life, tokenPrincipal, watch, setTime } = await watchOver(t, store);
  let left = 10_000;
  const all = Promise.withResolvers<void>();
  for (let index = 0; index < 10_000; index += 1) {
    const { token } = await life.mint(mintRequest);
    watch.track(await tokenPrincipal(token), () => {
      left -= 1;
      if (left === 0) all.resolve();
    });
  }
  setTime(now + 60);
  await all.promise;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(left, 0);
});
