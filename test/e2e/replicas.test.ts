/** Two gateways and two services that guard themselves, on one store: what holds at one door holds at every door. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openStore } from '../../src/compose/open-store.ts';
import { storeConfig } from '../../src/compose/schema/store-urls.ts';
import type { Store } from '../../src/core/store.ts';
import { hmacSha256 } from '../../src/crypto/hmac.ts';
import { sealWith } from '../../src/crypto/seal.ts';
import { createKey } from '../../src/keys/create.ts';
import { revokeKey } from '../../src/keys/revoke.ts';
import { tokens } from '../../src/keys/tokens/tokens.ts';
import { signHttpRequest } from '../../src/schemes/http-signature/index.ts';
import { startPostgres, startRedis, type Ending } from '../fixtures/databases.ts';
import { MissingProgram } from '../fixtures/programs.ts';
import { startReplicas, type Door, type Replicas } from '../fixtures/replicas.ts';
import { tcpRelay } from '../fixtures/tcp-relay.ts';
import { until } from '../fixtures/until.ts';
import { cleanEnvironment, runCli } from './program.ts';

const env = { COUNTERSIGN_MASTER_KEY: '0'.repeat(64) };
const routes =
  '[{ path: /limited, rateLimit: { limit: 5, per: 1h } }, { path: /strict, onStoreOutage: deny }, { path: /moded }]';
/** Until it is noticed; in `npm run soak` longer than every time-out together. */
const stillSeconds = process.env['COUNTERSIGN_SOAK'] === '1' ? 20 : 0;
const now = (): number => Math.floor(Date.now() / 1000);

/** What operators do, from a process that serves nothing. */
function operator(store: Store) {
  const sealed = sealWith(env.COUNTERSIGN_MASTER_KEY);
  const sessions = tokens({ store, clock: now });
  return {
    store,
    key: (kind: 'sk' | 'hs' = 'sk') => createKey(store, sealed, { service: 'web', kind, expiresAt: null, now: now() }),
    revoke: (id: string) => revokeKey(store, id, now()),
    token: () =>
      sessions.mint({ ttlSeconds: 3600, scopes: [], allowedIps: [], clientId: null, metadata: {}, createdBy: 'test' }),
    revokeToken: (id: string) => sessions.revoke(id),
    mode: (mode: 'report' | 'enforce') =>
      store.modes.set({ scope: 'embeddings/moded', mode, setAt: now(), setBy: 'test' }),
  };
}

const withKey = (key: string) => ({ 'x-api-key': key });
const withToken = (token: string) => ({ authorization: `Bearer ${token}` });

/** Waits until every door answers so. */
async function everywhere(doors: readonly Door[], path: string, headers: Record<string, string>, status: number) {
  await Promise.all(
    doors.map((door) => until(async () => (await door.ask(path, headers)) === status, `${path} is answered ${status}`)),
  );
}

/** 200 at once, over all doors in turn. */
async function twoHundred(doors: readonly Door[], ask: (door: Door) => Promise<number>): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  const statuses = Promise.all(Array.from({ length: 200 }, (_, index) => ask(doors[index % doors.length] as Door)));
  for (const status of await statuses) counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}

async function retried<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function healthOf({ gateways: [gateway] }: Replicas): Promise<string> {
  const answer = await fetch(`${gateway?.origin}/health/ready`);
  return ((await answer.json()) as { status: string }).status;
}

/** The replicas reach the store over a wire that can be cut; operators do not. */
async function started(t: TestContext, { url, port }: { readonly url: string; readonly port: number }) {
  const direct = await openStore(storeConfig(url) ?? assert.fail(url), env);
  t.after(() => direct.close());
  await direct.migrate();
  const relay = await tcpRelay(t, port);
  const store = new URL(url);
  store.port = String(relay.port);
  const replicas = await startReplicas(t, { store: store.href, routes, env });
  return { relay, replicas, doors: replicas.doors, by: operator(direct) };
}

type Setting = Awaited<ReturnType<typeof started>>;

async function changesHold({ doors, by }: Setting): Promise<void> {
  const { key: busy } = await by.key();
  await everywhere(doors, '/x', withKey(busy), 200);
  const enough = new AbortController();
  const load = doors.map(async (door) => {
    while (!enough.signal.aborted) assert.equal(await door.ask('/x', withKey(busy)), 200);
  });
  for (let round = 0; round < 5; round += 1) {
    const { record, key } = await by.key();
    await everywhere(doors, '/x', withKey(key), 200);
    await by.revoke(record.id);
    await everywhere(doors, '/x', withKey(key), 401);
    const minted = await by.token();
    await everywhere(doors, '/x', withToken(minted.token), 200);
    await by.revokeToken(minted.record.tokenId);
    await everywhere(doors, '/x', withToken(minted.token), 401);
    await by.mode('report');
    await everywhere(doors, '/moded', {}, 200);
    await by.mode('enforce');
    await everywhere(doors, '/moded', {}, 401);
  }
  enough.abort();
  await Promise.all(load);
}

async function onceAndFive({ doors, by }: Setting): Promise<void> {
  const { record, key } = await by.key('hs');
  for (const door of doors)
    while ((await door.send('/embeddings/x', await signed(record.id, key))) !== 200)
      await new Promise((resolve) => setTimeout(resolve, 10));
  const headers = await signed(record.id, key);
  assert.deepEqual(Object.fromEntries(await twoHundred(doors, (door) => door.send('/embeddings/x', headers))), {
    200: 1,
    401: 199,
  });
  const { key: counted } = await by.key();
  await everywhere(doors, '/x', withKey(counted), 200);
  assert.deepEqual(Object.fromEntries(await twoHundred(doors, (door) => door.ask('/limited', withKey(counted)))), {
    200: 5,
    429: 195,
  });
}

async function signed(keyid: string, key: string): Promise<Record<string, string>> {
  const mac = hmacSha256(Buffer.from(key));
  const { headers } = await signHttpRequest(
    {
      method: 'GET',
      target: '/embeddings/x',
      authority: 'stack.test',
      scheme: 'http',
      body: null,
      created: now(),
      nonce: crypto.randomUUID(),
    },
    { keyid, sign: (base) => mac.bytes(Buffer.from(base)) },
  );
  return { ...headers, host: 'stack.test' };
}

async function routesHold({ replicas, doors }: Setting): Promise<void> {
  const [gateway = assert.fail()] = replicas.gateways;
  const other = join(gateway.folder, 'other.yaml');
  const file = readFileSync(join(gateway.folder, 'countersign.yaml'), 'utf8');
  writeFileSync(other, file.replace('routes: [', 'routes: [{ path: /opened, access: public }, '));
  const cli = (...args: readonly string[]) =>
    runCli(args, { cwd: gateway.folder, env: { ...cleanEnvironment(), ...env } });
  await everywhere(doors, '/opened', {}, 401);
  const published = await cli('routes', 'publish', '--config', other);
  assert.equal(published.code, 0, published.stderr);
  await everywhere(doors, '/opened', {}, 200);
  const shown = await cli('routes', 'show');
  assert.equal(shown.code, 1, 'the file of this gateway differs');
  assert.match(shown.stdout, /embeddings {2}\/opened/);
  assert.equal((await cli('routes', 'withdraw')).code, 0);
  await everywhere(doors, '/opened', {}, 401);
}

/** What changes in the moment of a cut is known afterwards as well, and nobody who is known is refused for it. */
async function cutOff({ relay, doors, by }: Setting): Promise<void> {
  const { key: steady } = await by.key();
  await everywhere(doors, '/x', withKey(steady), 200);
  for (let round = 0; round < 5; round += 1) {
    const { record, key } = await by.key();
    await everywhere(doors, '/x', withKey(key), 200);
    relay.cut();
    const revoked = by.revoke(record.id);
    for (const door of doors) assert.equal(await door.ask('/x', withKey(steady)), 200, door.name);
    await revoked;
    await everywhere(doors, '/x', withKey(key), 401);
  }
}

interface Outage {
  begin(): Promise<void> | void;
  /** How long it is to last at least, seconds. */
  readonly seconds?: number;
  end(): Promise<void> | void;
}

/** What is known goes on, what is not known is undecidable, and nothing acknowledged is lost or comes back. */
async function outage({ replicas, doors, by }: Setting, { begin, end, seconds = 0 }: Outage): Promise<void> {
  const known = await by.key();
  const revoked = await by.key();
  const unseen = await by.token();
  await everywhere(doors, '/x', withKey(known.key), 200);
  await everywhere(doors, '/strict', withKey(known.key), 200);
  // A door that has not heard of it yet refuses it too, and takes it for a new one once the store is away.
  await everywhere(doors, '/x', withKey(revoked.key), 200);
  await by.revoke(revoked.record.id);
  await everywhere(doors, '/x', withKey(revoked.key), 401);

  await begin();
  const over = new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  await everywhere(doors, '/strict', withKey(known.key), 503);
  await Promise.all(
    doors.map(async (door) => {
      const asked: readonly (readonly [string, Record<string, string>])[] = [
        ['/x', withKey(known.key)],
        ['/x', withKey(revoked.key)],
        ['/x', withToken(unseen.token)],
        ['/limited', withKey(known.key)],
      ];
      const statuses = await Promise.all(asked.map(([path, headers]) => door.ask(path, headers)));
      assert.deepEqual(statuses, [200, 401, 503, 503], door.name);
    }),
  );
  assert.equal(await healthOf(replicas), 'DOWN');

  await over;
  await end();
  await everywhere(doors, '/strict', withKey(known.key), 200);
  await everywhere(doors, '/x', withToken(unseen.token), 200);
  for (const door of doors) assert.equal(await door.ask('/x', withKey(revoked.key)), 401, door.name);
  await retried(() => by.revoke(known.record.id));
  await everywhere(doors, '/x', withKey(known.key), 401);
  while ((await healthOf(replicas)) !== 'UP') await new Promise((resolve) => setTimeout(resolve, 50));
}

async function have<Server>(t: TestContext, start: (t: Ending) => Promise<Server>): Promise<Server | null> {
  try {
    return await start(t);
  } catch (error) {
    if (!(error instanceof MissingProgram) || process.env['CI'] === 'true') throw error;
    t.skip(error.message);
    return null;
  }
}

test('replicas on Redis', async (t) => {
  const redis = await have(t, startRedis);
  if (!redis) return;
  const setting = await started(t, redis);
  const { doors, by } = setting;
  await t.test('a change holds at every door, under load', () => changesHold(setting));
  await t.test('of 200 at once one uses a nonce, and five a limit of five', () => onceAndFive(setting));
  await t.test('published routes hold at every door until they are withdrawn', () => routesHold(setting));
  await t.test('every connection cut', () => cutOff(setting));
  await t.test('a wire that goes silent', () =>
    outage(setting, { begin: setting.relay.silence, end: setting.relay.restore }),
  );
  await t.test('Redis killed and started again', () => outage(setting, { begin: redis.kill, end: redis.restart }));
  // Much the same as a wire that is silent or cut, so that this is enough for every day.
  await t.test('Redis that stands still', { skip: stillSeconds === 0 && 'in npm run soak' }, () =>
    outage(setting, { begin: redis.pause, end: redis.resume, seconds: stillSeconds }),
  );
  await t.test('Redis started again empty: nobody is known, and a new key is', async () => {
    const { key } = await by.key();
    await everywhere(doors, '/x', withKey(key), 200);
    await redis.restartEmpty();
    await everywhere(doors, '/x', withKey(key), 401);
    const after = await retried(() => by.key());
    await everywhere(doors, '/x', withKey(after.key), 200);
    for (const door of doors) assert.equal(await door.ask('/x', withKey(key)), 401, door.name);
  });
});

test('replicas on Postgres', async (t) => {
  const postgres = await have(t, (ending) => startPostgres(ending, { durable: true }));
  if (!postgres) return;
  const setting = await started(t, postgres);
  const { doors, by } = setting;
  await t.test('a change holds at every door, under load', () => changesHold(setting));
  await t.test('of 200 at once one uses a nonce, and five a limit of five', () => onceAndFive(setting));
  await t.test('every connection cut', () => cutOff(setting));
  await t.test('Postgres that stands still', { skip: stillSeconds === 0 && 'in npm run soak' }, () =>
    outage(setting, { begin: postgres.pause, end: postgres.resume, seconds: stillSeconds }),
  );
  await t.test(
    'Postgres killed and started again in the midst of writes: what was acknowledged holds',
    async (inner) => {
      const made: string[] = [];
      const dead: string[] = [];
      const enough = new AbortController();
      inner.after(() => enough.abort());
      const writers = [1, 2, 3, 4].map(async () => {
        while (!enough.signal.aborted) {
          await by
            .key()
            .then(async ({ record, key }) => {
              if (made.push(key) % 3 !== 0) return;
              await by.revoke(record.id);
              dead.push(key);
            })
            .catch(() => new Promise((resolve) => setTimeout(resolve, 20)));
        }
      });
      while (dead.length < 10) await new Promise((resolve) => setTimeout(resolve, 5));
      await outage(setting, {
        begin: postgres.kill,
        async end() {
          await postgres.restart();
          const before = made.length;
          while (made.length < before + 10) await new Promise((resolve) => setTimeout(resolve, 5));
          enough.abort();
          await Promise.all(writers);
        },
      });
      // One whose revocation was not acknowledged may be dead or alive.
      const alive = made.filter((_, index) => (index + 1) % 3 !== 0);
      for (const key of [...alive.slice(0, 10), ...alive.slice(-10)]) await everywhere(doors, '/x', withKey(key), 200);
      for (const key of dead) await everywhere(doors, '/x', withKey(key), 401);
    },
  );
});
