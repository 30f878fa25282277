import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { hasCode, type Change, type Store } from '../../core/store.ts';
import { forThisFile, startPostgres } from '../../../test/fixtures/databases.ts';
import { startPostgrest, type PostgrestServer } from '../../../test/fixtures/postgrest.ts';
import { schemaScript } from '../postgres/script.ts';
import { postgresStore } from '../postgres/store.ts';
import { supabaseStore } from './store.ts';

const server = await forThisFile('faults of the supabase store', startPostgres);
const t0 = 1_800_000_000;
const patienceMillis = 20_000;

interface Project extends PostgrestServer {
  readonly databaseUrl: string;
  /** As the owner of the tables. */
  readonly editor: Client;
}

async function project(t: TestContext, databaseUrl: string): Promise<Project> {
  const postgrest = await startPostgrest(t, databaseUrl);
  const editor = new Client({ connectionString: databaseUrl });
  await editor.connect();
  t.after(() => editor.end());
  return { ...postgrest, databaseUrl, editor };
}

function opened(t: TestContext, { url, secretKey }: PostgrestServer, key = secretKey, pollMillis = 10): Store {
  const store = supabaseStore({ url, key, pollMillis, patienceMillis });
  t.after(() => store.close());
  return store;
}

/** Resolves with the first change that fits. */
function told(store: Store, fits: (change: Change) => boolean): Promise<Change> {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 1000);
    const stop = store.watch((change) => {
      if (!fits(change)) return;
      clearInterval(alive);
      stop();
      resolve(change);
    });
  });
}

if (server) {
  test('a project without the schema says what to run, and what is printed makes it, once', async (t) => {
    const made = await project(t, await server.database());
    const store = opened(t, made);
    const before = await store.schema();
    assert.equal(before.made, false);
    await assert.rejects(store.migrate(), { code: 'schema_outdated', message: /countersign store sql/ });
    await assert.rejects(store.keys.list(), { code: 'schema_outdated', message: /PGRST202.*countersign store sql/ });
    await made.editor.query(schemaScript());
    await made.editor.query(schemaScript());
    assert.deepEqual(await store.schema(), { made: true, missing: [], adopts: null });
    assert.deepEqual(await store.migrate(), []);
    await made.editor.query(`DELETE FROM countersign_migrations WHERE name = 'tokens by age'`);
    assert.deepEqual((await store.schema()).missing, [{ version: 10, name: 'tokens by age' }]);
    await assert.rejects(store.migrate(), { code: 'schema_outdated' });
  });

  test('the printed schema is the one that migrating makes', async (t) => {
    const [byHand, migrated] = [await server.database(), await server.database()];
    const store = postgresStore({ url: migrated });
    await store.migrate();
    await store.close();
    const shapes: unknown[] = [];
    for (const url of [byHand, migrated]) {
      const client = new Client({ connectionString: url });
      await client.connect();
      t.after(() => client.end());
      if (url === byHand) await client.query(schemaScript());
      const { rows } = await client.query(
        `SELECT table_name || '.' || column_name || ' ' || data_type AS shape FROM information_schema.columns
           WHERE table_schema = 'public'
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
         UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
         UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
         UNION ALL SELECT version || name FROM countersign_migrations ORDER BY 1`,
      );
      shapes.push(rows);
    }
    assert.deepEqual(shapes[0], shapes[1]);
  });

  test('who knows the publishable key can read nothing, write nothing and call nothing', async (t) => {
    const made = await project(t, await server.database());
    await made.editor.query(schemaScript());
    const stranger = opened(t, made, made.publishableKey);
    for (const verb of [
      () => stranger.ping(),
      () => stranger.keys.list(),
      () => stranger.tokens.byHash('h'),
      () => stranger.modes.set({ scope: '*', mode: 'off', setAt: t0, setBy: 'stranger' }),
    ])
      await assert.rejects(verb(), { code: 'store_unavailable', message: /refuses the key.*42501/ });
    const { rows } = await made.editor.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    );
    assert.ok(rows.length > 10);
    for (const role of ['anon', 'authenticated']) {
      await made.editor.query(`SET ROLE ${role}`);
      for (const { name } of rows.filter((row) => row.name !== 'auth_tokens'))
        await assert.rejects(made.editor.query(`SELECT * FROM ${name}`), { code: '42501' }, `${role} ${name}`);
      // Row level security answers for session tokens: a table of other programs keeps its grants.
      assert.deepEqual((await made.editor.query('SELECT * FROM auth_tokens')).rows, []);
      await assert.rejects(
        made.editor.query(
          `INSERT INTO auth_tokens (token_id, token_hash, expires_at) VALUES (gen_random_uuid(), 'h', now())`,
        ),
        { code: '42501', message: /row-level security/ },
      );
      await assert.rejects(made.editor.query(`SELECT countersign_note('- resync ')`), { code: '42501' });
      await made.editor.query('RESET ROLE');
    }
  });

  test('what is written by SQL, by a Postgres store and in the order of no commit is told to those who poll', async (t) => {
    const made = await project(t, await server.database());
    await made.editor.query(schemaScript());
    const store = opened(t, made);
    await store.migrate();
    const neighbour = postgresStore({ url: made.databaseUrl });
    t.after(() => neighbour.close());
    const mode = told(store, ({ topic, id }) => topic === 'modes' && id === 'web');
    await neighbour.modes.set({ scope: 'web', mode: 'off', setAt: t0, setBy: 'neighbour' });
    await mode;

    // Numbered first, committed last.
    const late = new Client({ connectionString: made.databaseUrl });
    await late.connect();
    t.after(() => late.end());
    await late.query('BEGIN');
    await late.query(
      `INSERT INTO countersign_modes VALUES ('slow', 'off', 1, 'sql') ON CONFLICT (scope) DO UPDATE SET mode = 'off'`,
    );
    const quick = told(store, ({ id }) => id === 'quick');
    await neighbour.modes.set({ scope: 'quick', mode: 'off', setAt: t0, setBy: 'neighbour' });
    await quick;
    const heard: string[] = [];
    const stop = store.watch(({ id }) => heard.push(id));
    const slow = told(store, ({ id }) => id === 'slow');
    await late.query('COMMIT');
    await slow;
    stop();
    assert.deepEqual(heard, ['slow'], 'what was told before is not told again');

    await neighbour.migrate();
    const other = told(neighbour, ({ id }) => id === 'here');
    await store.modes.set({ scope: 'here', mode: 'off', setAt: t0, setBy: 'store' });
    await other;
  });

  test('more changes at once than are told one by one, or a database that was put back, and everything is read anew', async (t) => {
    const made = await project(t, await server.database());
    await made.editor.query(schemaScript());
    const store = opened(t, made);
    await store.migrate();
    const again = told(store, ({ topic }) => topic === 'resync');
    await made.editor.query(
      `INSERT INTO countersign_changes (mark, topic, id) SELECT '-', 'keys', n::text FROM generate_series(1, 1500) AS n`,
    );
    await again;
  });

  test('a database that is away is unavailable, and is there again when it is back', async (t) => {
    const own = await startPostgres(t);
    const made = await startPostgrest(t, own.url);
    const editor = new Client({ connectionString: own.url });
    editor.on('error', () => {});
    await editor.connect();
    await editor.query(schemaScript());
    const store = opened(t, made);
    await store.migrate();
    const lost = told(store, ({ topic }) => topic === 'lost');
    await own.kill();
    await assert.rejects(store.ping(), { code: 'store_unavailable', message: /cannot do what was asked \(HTTP 503/ });
    await lost;
    const level = told(store, ({ topic }) => topic === 'resync');
    await own.restart();
    await level;
    const back = told(store, ({ id }) => id === 'web');
    for (let done = false; !done;)
      done = await store.modes.set({ scope: 'web', mode: 'off', setAt: t0, setBy: 'test' }).then(
        () => true,
        () => false,
      );
    await back;
    await made.close();
    await assert.rejects(store.ping(), { code: 'store_unavailable', message: /cannot be reached/ });
  });
}

test('a server that is silent, sends elsewhere, or speaks something else is unavailable, and learns no more than it must', async (t) => {
  const seen: (string | undefined)[] = [];
  const peer = createServer((request, response) => {
    seen.push(request.headers.authorization);
    if (request.headers['apikey'] === 'silent') return;
    if (request.headers['apikey'] === 'elsewhere') response.writeHead(307, { location: 'http://127.0.0.1:1/' });
    response.end('<html>');
  });
  peer.listen(0, '127.0.0.1');
  await once(peer, 'listening');
  t.after(() => {
    peer.closeAllConnections();
    peer.close();
  });
  const url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}`;
  for (const [key, words] of [
    ['silent', /does not answer in time/],
    ['elsewhere', /cannot be reached/],
    ['sb_secret_x', /cannot do what was asked|cannot be reached/],
    ['eyJhbGciOiJIUzI1NiJ9.e30.signature', /cannot do what was asked|cannot be reached/],
  ] as const) {
    const store = supabaseStore({ url, key, patienceMillis: key === 'silent' ? 50 : patienceMillis });
    await assert.rejects(store.ping(), (error: Error) => {
      assert.ok(hasCode(error, 'store_unavailable'));
      assert.match(error.message, words);
      assert.ok(!error.message.includes(key) && !JSON.stringify(error).includes(key));
      return true;
    });
    await store.close();
  }
  assert.deepEqual(seen, [undefined, undefined, undefined, 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.signature']);
});
