/**
 * `npm run propagation [changes]`: how soon a change holds everywhere. Two gateways and two services that guard themselves, each a
 * process, share one Redis, and then one Postgres, and answer requests all the while; 200 times a key and a token are revoked and
 * a mode is set. One JSON line for each kind of change: milliseconds from the call that makes the change until the last of
 * the four has given the new answer. Exit 1 when the 99th percentile is over 100 ms. `request_p99` is what one request took meanwhile:
 * on a machine that is busy with other things it says how much of the rest is waiting for a core.
 */
import { openStore } from '../src/compose/open-store.ts';
import { storeConfig } from '../src/compose/schema/store-urls.ts';
import type { Store } from '../src/core/store.ts';
import { sealWith } from '../src/crypto/seal.ts';
import { createKey } from '../src/keys/create.ts';
import { tokens } from '../src/keys/tokens/tokens.ts';
import { startPostgres, startRedis, type Ending } from '../test/fixtures/databases.ts';
import { startReplicas, type Door } from '../test/fixtures/replicas.ts';

const changes = Number(process.argv[2] ?? 200);
const p99Max = 100;
/** Requests beside the changes: at each door so many under way, each followed by a pause. */
const callersPerDoor = 4;
const pauseMillis = 10;
const env = { COUNTERSIGN_MASTER_KEY: '0'.repeat(64) };
const now = (): number => Math.floor(Date.now() / 1000);
const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

type Headers = Readonly<Record<string, string>>;

/** One change that can be made again and again: what is asked, and what it is answered with before and after. */
interface Kind {
  readonly name: string;
  readonly path: string;
  readonly before: number;
  readonly after: number;
  prepare(): Promise<{ readonly headers: Headers; change(): Promise<unknown> }>;
}

function kindsOf(store: Store): Kind[] {
  const seal = sealWith(env.COUNTERSIGN_MASTER_KEY);
  const sessions = tokens({ store, clock: now });
  const mode = (to: 'report' | 'enforce') =>
    store.modes.set({ scope: 'embeddings/moded', mode: to, setAt: now(), setBy: 'bench' });
  const order = { ttlSeconds: 3600, scopes: [], allowedIps: [], clientId: null, metadata: {}, createdBy: 'bench' };
  return [
    {
      name: 'key revoked',
      path: '/x',
      before: 200,
      after: 401,
      async prepare() {
        const made = await createKey(store, seal, { service: 'web', kind: 'sk', expiresAt: null, now: now() });
        return { headers: { 'x-api-key': made.key }, change: () => store.keys.revoke(made.record.id, now()) };
      },
    },
    {
      name: 'token revoked',
      path: '/x',
      before: 200,
      after: 401,
      async prepare() {
        const { token, record } = await sessions.mint(order);
        const headers = { authorization: `Bearer ${token}` };
        return { headers, change: () => sessions.revoke(record.tokenId) };
      },
    },
    {
      name: 'mode set',
      path: '/moded',
      before: 200,
      after: 401,
      async prepare() {
        await mode('report');
        return { headers: {}, change: () => mode('enforce') };
      },
    },
  ];
}

/** Asks until the answer is this one; resolves to when it was there. */
async function answers(door: Door, path: string, headers: Headers, status: number): Promise<number> {
  while ((await door.ask(path, headers)) !== status) await pause(1);
  return performance.now();
}

async function measured(kind: Kind, doors: readonly Door[]): Promise<number[]> {
  const millis: number[] = [];
  for (let count = 0; count < changes; count += 1) {
    const { headers, change } = await kind.prepare();
    await Promise.all(doors.map((door) => answers(door, kind.path, headers, kind.before)));
    const began = performance.now();
    const seen = doors.map((door) => answers(door, kind.path, headers, kind.after));
    await change();
    millis.push(Math.max(...(await Promise.all(seen))) - began);
  }
  return millis.toSorted((a, b) => a - b);
}

function at(sorted: readonly number[], share: number): number {
  return Number((sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN).toFixed(1));
}

async function on(name: string, url: string, t: Ending): Promise<boolean> {
  const config = storeConfig(url);
  if (!config) throw new TypeError(`${name} has no address`);
  const store = await openStore(config, env);
  t.after(() => store.close());
  await store.migrate();
  const { doors } = await startReplicas(t, { store: url, routes: '[{ path: /moded }]', env });
  const seal = sealWith(env.COUNTERSIGN_MASTER_KEY);
  const busy = await createKey(store, seal, { service: 'web', kind: 'sk', expiresAt: null, now: now() });
  const headers = { 'x-api-key': busy.key };
  await Promise.all(doors.map((door) => answers(door, '/x', headers, 200)));

  const enough = new AbortController();
  const took: number[] = [];
  const began = performance.now();
  const load = doors.flatMap((door) =>
    Array.from({ length: callersPerDoor }, async () => {
      while (!enough.signal.aborted) {
        const asked = performance.now();
        const status = await door.ask('/x', headers);
        took.push(performance.now() - asked);
        if (status !== 200) throw new Error(`${door.name} answered ${status} to a good key`);
        await pause(pauseMillis);
      }
    }),
  );
  let good = true;
  for (const kind of kindsOf(store)) {
    const sorted = await measured(kind, doors);
    const perSecond = Math.round((took.length / (performance.now() - began)) * 1000);
    const result = {
      store: name,
      change: kind.name,
      changes: sorted.length,
      unit: 'ms',
      p50: at(sorted, 0.5),
      p99: at(sorted, 0.99),
      max: at(sorted, 1),
      load_per_second: perSecond,
      request_p99: at(
        took.toSorted((a, b) => a - b),
        0.99,
      ),
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    good &&= result.p99 <= p99Max;
  }
  enough.abort();
  await Promise.all(load);
  return good;
}

for (const [name, start] of [
  ['redis', startRedis],
  ['postgres', startPostgres],
] as const) {
  const endings: (() => Promise<void>)[] = [];
  const t: Ending = { after: (work) => void endings.push(work) };
  try {
    const { url } = await start(t);
    if (!(await on(name, url, t))) process.exitCode = 1;
  } finally {
    // The server was the first, so it goes last.
    for (const end of endings.toReversed()) await end();
  }
}
