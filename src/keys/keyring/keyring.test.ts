import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { StoreError, type Store } from '../../core/store.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import { sealWith, type Seal } from '../../crypto/seal.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { sqliteStore } from '../../stores/sqlite/store.ts';
import { createKey } from '../create.ts';
import { importKey } from '../import.ts';
import { keyring } from './keyring.ts';
import { revokeKey } from '../revoke.ts';
import { beginRotation, finishRotation } from '../rotation/rotate.ts';
import { envFiles, secretFiles, type KeyedService } from '../sources/index.ts';

const seal = sealWith('ab'.repeat(32));
const now = 1_800_000_000;
const order = { service: 'aidb', kind: 'sk', expiresAt: null, now } as const;
const secretA = 'a4f1c09b77e2d35568aa01bc9d3fe6427781905cde23f4ab56108e9dc7b3f02a';
const secretB = '0b93de52f7a146c8801fbe27d9653ca4e1f870b26d4c59831a7eb6f2c05d9e84';
const services: KeyedService[] = ['embeddings', 'aidb'].map((name) => ({ name, apiKeyFile: null }));

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-keyring-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function sqliteFor(t: TestContext, folder: string): Promise<Store> {
  const store = sqliteStore({ file: join(folder, 'state.db'), pollMillis: 10 });
  t.after(() => store.close());
  await store.migrate();
  return store;
}

/** A keyring over a store and one folder of secret files and .env files, and a way to wait for what it will know. */
async function ringOver(t: TestContext, store: Store, folder: string | null = null, open: Seal = seal) {
  const warned: string[] = [];
  const onWarning = (text: string): void => void warned.push(text);
  const sources =
    folder === null
      ? []
      : [
          secretFiles({ pattern: join(folder, '*_api_key'), services: () => services, onWarning }),
          envFiles({ pattern: join(folder, '*.env'), onWarning }),
        ];
  let time = now;
  const ring = await keyring({ store, seal: open, sources, clock: () => time, onWarning });
  t.after(() => ring.close());
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const alive = setInterval(() => {}, 1000);
      const stop = ring.onChange(look);
      function look(): void {
        if (!holds()) return;
        clearInterval(alive);
        stop();
        resolve();
      }
      look();
    });
  const find = (key: string) => ring.apiKey(sha256Hex(key));
  return { ring, warned, until, find, setTime: (to: number) => void (time = to) };
}

/** For a script that another process runs. */
const href = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

/** As if the store went away: every reading of keys is refused while `away`. */
function unreliable(store: Store): Store & { away: boolean } {
  const keys = new Proxy(store.keys, {
    get: (target, name: keyof Store['keys']) =>
      outer.away ? () => Promise.reject(new StoreError('store_unavailable', 'away')) : target[name],
  });
  const outer = { ...store, keys, away: false };
  return outer;
}

test('serves stored keys and those of every file, each with its principal', async (t) => {
  const folder = folderFor(t);
  const store = await sqliteFor(t, folder);
  const sk = await createKey(store, seal, {
    ...order,
    scopes: ['read'],
    allowedIps: ['10.0.0.0/8'],
    expiresAt: now + 60,
  });
  const hs = await createKey(store, seal, { ...order, kind: 'hs' });
  writeFileSync(join(folder, 'embeddings_api_key'), secretA, { mode: 0o600 });
  writeFileSync(join(folder, 'aidb.env'), `SERVICE_KEY=${secretB}\n`, { mode: 0o600 });
  const { ring, find, warned } = await ringOver(t, store, folder);

  const stored = find(sk.key);
  assert.partialDeepStrictEqual(stored, { acceptedAt: null, expiresAt: now + 60, revoked: false });
  assert.partialDeepStrictEqual(stored?.principal, {
    id: 'service:aidb',
    scheme: 'api-key',
    credentialId: sk.record.id,
    scopes: ['read'],
    expiresAt: now + 60,
  });
  assert.ok(stored?.principal.addresses?.contains('10.1.2.3'));
  assert.partialDeepStrictEqual(find(secretA), {
    acceptedAt: 'embeddings',
    principal: { id: 'holder:embeddings', credentialId: 'file:embeddings_api_key', expiresAt: null },
  });
  const macs = ring.macKeys('aidb');
  assert.deepEqual(
    macs.map(({ principal }) => principal.credentialId),
    [hs.record.id, 'env:aidb.env'],
  );
  assert.ok(macs.every(({ principal }) => principal.id === 'service:aidb' && principal.scheme === 'service-signature'));
  assert.equal(macs[0]?.key.hex('message'), hmacSha256(Buffer.from(hs.key)).hex('message'));
  assert.equal(macs[1]?.key.hex('message'), hmacSha256(Buffer.from(secretB)).hex('message'));
  assert.equal(find(hs.key), undefined, 'an HMAC secret is no API key');
  assert.deepEqual(ring.macKeys('nobody'), []);
  assert.equal(ring.size, 4);
  assert.deepEqual(ring.expiries(), [
    { service: 'aidb', credentialId: sk.record.id, expiresAt: now + 60, replaced: false },
  ]);
  assert.deepEqual([warned, ring.warnings], [[], []]);
});

test('of keys that end those are told apart that a living one replaced', async (t) => {
  const store = memoryStore();
  const ending = { ...order, kind: 'hs', expiresAt: now + 60 } as const;
  const { record: old } = await createKey(store, seal, ending);
  const { ring, until } = await ringOver(t, store);
  const replaced = (): string[] => ring.expiries().flatMap((one) => (one.replaced ? [one.credentialId] : []));
  const ends = async (count: number): Promise<void> => until(() => ring.expiries().length === count);
  const { record: next } = await beginRotation(old, { store, seal, now, expiresAt: now + 90 });
  await ends(2);
  assert.deepEqual(replaced(), [], 'it is not known to have reached its caller');
  await finishRotation(store, next.id, now + 30, now);
  await until(() => replaced().length > 0);
  assert.deepEqual(replaced(), [old.id]);
  const { record: last } = await beginRotation(next, { store, seal, now, expiresAt: null });
  await finishRotation(store, last.id, now + 30, now);
  await until(() => replaced().length === 2);
  await store.keys.revoke(last.id, now);
  await until(() => replaced().length < 2);
  assert.deepEqual(replaced(), [old.id], 'the key behind it lives');
  await store.keys.revoke(next.id, now);
  await until(() => replaced().length === 0);
});

test('a request allocates nothing: the same frozen entry and principal every time, across unrelated changes', async (t) => {
  const store = memoryStore();
  const { key } = await createKey(store, seal, order);
  const { find, until } = await ringOver(t, store);
  const before = find(key);
  assert.ok(Object.isFrozen(before) && Object.isFrozen(before?.principal) && Object.isFrozen(before?.principal.scopes));
  assert.equal(find(key), before);
  const other = await createKey(store, seal, order);
  await until(() => find(other.key) !== undefined);
  assert.equal(find(key)?.principal, before?.principal);
});

test('of two HMAC secrets of one service the newest comes first', async (t) => {
  const store = memoryStore();
  const { ring, until } = await ringOver(t, store);
  const old = await createKey(store, seal, { ...order, kind: 'hs' });
  const fresh = await createKey(store, seal, { ...order, kind: 'hs', now: now + 1 });
  await until(() => ring.macKeys('aidb').length === 2);
  assert.deepEqual(
    ring.macKeys('aidb').map(({ principal }) => principal.credentialId),
    [fresh.record.id, old.record.id],
  );
});

test('what another process creates and revokes is followed, and a burst of it too', async (t) => {
  const folder = folderFor(t);
  const store = await sqliteFor(t, folder);
  const other = await sqliteFor(t, folder);
  const { find, until, ring } = await ringOver(t, store);
  const keys: string[] = [];
  for (let index = 0; index < 40; index += 1) keys.push((await createKey(other, seal, order)).key);
  await until(() => keys.every((key) => find(key)?.revoked === false));
  await revokeKey(other, keys[7] ?? '', now);
  await until(() => find(keys[7] ?? '')?.revoked === true);
  assert.equal(ring.size, 40);
  assert.equal(keys.filter((key) => find(key)?.revoked).length, 1);
});

test('keys that a killed process had acknowledged are served', async (t) => {
  const folder = folderFor(t);
  const store = await sqliteFor(t, folder);
  const { ring, until } = await ringOver(t, store);
  const script = `
    import { sqliteStore } from ${href('../../stores/sqlite/store.ts')};
    import { createKey } from ${href('../create.ts')};
    const store = sqliteStore({ file: process.argv[1] });
    for (;;) {
      const { record } = await createKey(store, null, { service: 'aidb', kind: 'sk', expiresAt: null, now: ${now} });
      process.stdout.write(record.id + '\\n');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, join(folder, 'state.db')]);
  let out = '';
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      out += data.toString();
      if (out.split('\n').length > 10) child.kill('SIGKILL');
    });
    child.once('close', () => resolve());
  });
  const ids = out.split('\n').slice(0, -1);
  assert.ok(ids.length >= 10);
  await until(() => ids.every((id) => ring.isLive(id)));
});

test('a revoked digest beats every source: a revoked key found again in a file stays dead', async (t) => {
  const folder = folderFor(t);
  const store = memoryStore();
  writeFileSync(join(folder, 'embeddings_api_key'), secretA, { mode: 0o600 });
  writeFileSync(join(folder, 'aidb.env'), `SERVICE_KEY=${secretB}`, { mode: 0o600 });
  const { find, until, ring } = await ringOver(t, store, folder);
  assert.equal(find(secretA)?.revoked, false);
  await revokeKey(store, secretA, now);
  await revokeKey(store, secretB, now);
  await until(() => find(secretA)?.revoked === true && ring.macKeys('aidb')[0]?.revoked === true);
  assert.equal(ring.isLive('file:embeddings_api_key'), false);
  writeFileSync(join(folder, 'stack_api_key'), secretA, { mode: 0o600 });
  rmSync(join(folder, 'embeddings_api_key'));
  await until(() => find(secretA)?.principal.id === 'holder:stack');
  assert.equal(find(secretA)?.revoked, true);
  const again = await ringOver(t, store, folder);
  assert.equal(again.find(secretA)?.revoked, true);
});

test('where one secret is in two places the stored record counts, and the operator is told', async (t) => {
  const folder = folderFor(t);
  const store = memoryStore();
  writeFileSync(join(folder, 'embeddings_api_key'), secretA, { mode: 0o600 });
  writeFileSync(join(folder, 'aidb_api_key'), secretB, { mode: 0o600 });
  writeFileSync(join(folder, 'stack_api_key'), secretB, { mode: 0o600 });
  const { find, until, warned, ring } = await ringOver(t, store, folder);
  assert.equal(find(secretB)?.principal.id, 'holder:aidb');
  const { record } = await importKey(store, seal, { ...order, secret: secretA });
  await until(() => find(secretA)?.principal.credentialId === record.id);
  assert.equal(warned.length, 2);
  assert.match(warned.join('\n'), /file:stack_api_key \(holder:stack\) holds the same secret as file:aidb_api_key/);
  assert.match(warned.join('\n'), /file:embeddings_api_key \(holder:embeddings\) holds the same secret as/);
  assert.deepEqual(ring.warnings.toSorted(), warned.toSorted());
  assert.doesNotMatch(warned.join('\n'), /a4f1c09b|0b93de52/);
});

test('an HMAC secret that does not open is a warning naming the key, and the others are served', async (t) => {
  const store = memoryStore();
  const foreign = await createKey(store, sealWith('cd'.repeat(32)), { ...order, kind: 'hs' });
  const good = await createKey(store, seal, { ...order, kind: 'hs' });
  const { ring, warned } = await ringOver(t, store);
  assert.deepEqual(
    ring.macKeys('aidb').map(({ principal }) => principal.credentialId),
    [good.record.id],
  );
  assert.equal(warned.length, 1);
  assert.match(
    warned[0] ?? '',
    new RegExp(`key ${foreign.record.id} \\(aidb\\) is not served: .*COUNTERSIGN_MASTER_KEY`),
  );
  assert.ok(!warned[0]?.includes(foreign.key));
});

test('a store that goes away leaves the keys as they were, and what was missed is read when it is back', async (t) => {
  const folder = folderFor(t);
  const real = memoryStore();
  const store = unreliable(real);
  const { key, record } = await createKey(real, seal, order);
  const { find, until, warned } = await ringOver(t, store, folder);
  store.away = true;
  const missed = await createKey(real, seal, order);
  writeFileSync(join(folder, 'embeddings_api_key'), secretA, { mode: 0o600 });
  await until(() => find(secretA) !== undefined);
  assert.equal(find(key)?.revoked, false);
  assert.equal(find(missed.key), undefined);
  assert.equal(warned.length, 1);
  assert.match(warned[0] ?? '', /those in memory stay in use: away/);
  // A revocation needs no reading, so it counts during the outage as well.
  await real.keys.revoke(record.id, now);
  await until(() => find(key)?.revoked === true);
  store.away = false;
  await until(() => find(missed.key)?.revoked === false);
});

test('a store that is away at the start is an error, not an empty keyring', async (t) => {
  const store = unreliable(memoryStore());
  store.away = true;
  await assert.rejects(ringOver(t, store), { code: 'store_unavailable' });
});

test('a revocation that arrives while all keys are read is not lost to the older answer', async (t) => {
  const real = memoryStore();
  const { key, record } = await createKey(real, seal, order);
  const held = Promise.withResolvers<void>();
  const slow: Store = {
    ...real,
    keys: {
      ...real.keys,
      async *pages() {
        for await (const page of real.keys.pages()) {
          await held.promise;
          yield page;
        }
      },
    },
  };
  const pending = ringOver(t, slow);
  await new Promise((resolve) => setImmediate(resolve));
  await real.keys.revoke(record.id, now);
  held.resolve();
  const { find } = await pending;
  assert.equal(find(key)?.revoked, true);
});

test('a replaced file keeps its credential id, but the principal of the old key is held no longer', async (t) => {
  const folder = folderFor(t);
  const path = join(folder, 'embeddings_api_key');
  writeFileSync(path, secretA, { mode: 0o600 });
  const { find, until, ring } = await ringOver(t, memoryStore(), folder);
  const old = find(secretA)?.principal;
  assert.ok(old && ring.holds(old));
  mkdirSync(join(folder, 'next'));
  writeFileSync(join(folder, 'next', 'key'), secretB, { mode: 0o600 });
  renameSync(join(folder, 'next', 'key'), path);
  await until(() => find(secretB) !== undefined);
  assert.equal(find(secretA), undefined);
  assert.equal(find(secretB)?.principal.credentialId, old.credentialId);
  assert.ok(ring.isLive(old.credentialId));
  assert.ok(!ring.holds(old));
});

test('an expired key is found, so that its caller can be told, but is not live', async (t) => {
  const store = memoryStore();
  const { key, record } = await createKey(store, seal, { ...order, expiresAt: now + 10 });
  const { find, ring, setTime } = await ringOver(t, store);
  assert.ok(ring.isLive(record.id));
  setTime(now + 10);
  assert.ok(!ring.isLive(record.id));
  assert.equal(find(key)?.expiresAt, now + 10);
});

test('nothing is said or followed after closing', async (t) => {
  const store = memoryStore();
  const { ring, find } = await ringOver(t, store);
  ring.close();
  const { key } = await createKey(store, seal, order);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(find(key), undefined);
});
