import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { hasCode, isUnstorable, type Change, type Store } from '../../core/store.ts';
import { databasePassword, forThisFile, startPostgres } from '../../../test/fixtures/databases.ts';
import { tcpRelay } from '../../../test/fixtures/tcp-relay.ts';
import { decisionRow, keyRecord, tokenRecord } from '../store.fixtures.ts';
import { postgresStore } from './store.ts';

const server = await forThisFile('Postgres that fails', () => startPostgres(undefined, { durable: true }));
const unavailable = (error: unknown): boolean => hasCode(error, 'store_unavailable');

if (server) {
  test("a clock that is not the server's is told of", async (t) => {
    for (const [ahead, words] of [
      [0, null],
      [900, /clock of this machine is (?:900|899|901) s ahead of that of Postgres at /],
      [-900, /clock of this machine is (?:900|899|901) s behind that of Postgres at /],
    ] as const) {
      const store = postgresStore({ url: server.url, clock: () => Date.now() / 1000 + ahead });
      t.after(() => store.close());
      const said = (await store.warnings()).filter((text) => text.includes('clock'));
      assert.equal(said.length, words === null ? 0 : 1);
      if (words) assert.match(said.join(), words);
    }
  });

  test('a database that keeps or shows less than it is given is told of', async (t) => {
    const url = await server.database();
    const { pathname } = new URL(url);
    const client = new Client({ connectionString: url });
    await client.connect();
    t.after(() => client.end());
    assert.deepEqual(await (await opened(t, url)).warnings(), []);
    await client.query(`CREATE DATABASE of_latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
    const latin = await opened(t, new URL('of_latin1', url).href);
    assert.match((await latin.warnings()).join(), /of_latin1 is in LATIN1, .*ENCODING 'UTF8'/);
    const rows = ['/a', '/\u0141', '/c'].map((path, index) => ({ ...decisionRow(index), path }));
    await assert.rejects(latin.decisions.append(rows, []), isUnstorable);
    for (const row of [rows[0], rows[2]]) if (row) await latin.decisions.append([row], []);
    assert.equal((await latin.decisions.list({ limit: 9 })).length, 2, 'those beside it are taken');
    await client.query(`ALTER DATABASE ${pathname.slice(1)} SET extra_float_digits = 0`);
    const rounding = await opened(t, url);
    assert.match((await rounding.warnings()).join(), /has extra_float_digits = 0, .*SET extra_float_digits = 1/);
  });

  test('what was acknowledged survives kill -9 of the server in the middle of writing, and the feed says resync', async (t) => {
    const store = await opened(t, await server.database());
    const acknowledged: string[] = [];
    const attempted: string[] = [];
    const killing = new AbortController();
    const writer = async (name: string): Promise<void> => {
      for (let number = 0; !killing.signal.aborted; number += 1) {
        const id = `${name}-${number}`;
        attempted.push(id);
        await store.keys.insert(keyRecord(id)).then(
          () => acknowledged.push(id),
          (error) => assert.ok(unavailable(error)),
        );
      }
    };
    const writing = Promise.all(['a', 'b', 'c', 'd'].map(writer));
    while (acknowledged.length < 100) await retried(() => store.ping());
    const heard = heardOf(store, 'resync');
    await server.kill();
    killing.abort();
    await writing;
    await assert.rejects(store.tokens.byHash('any'), unavailable);
    await assert.rejects(store.ping(), unavailable);
    await server.restart();
    await heard;
    await retried(() => store.ping());
    const kept = new Set((await store.keys.list()).map(({ id }) => id));
    assert.deepEqual(
      acknowledged.filter((id) => !kept.has(id)),
      [],
    );
    for (const id of kept) assert.ok(attempted.includes(id));
    await store.keys.revoke('a-0', 1_800_000_000);
  });

  test('a server that stands still is unavailable in bounded time, and nothing is missed when it goes on', async (t) => {
    const url = await server.database();
    const store = await opened(t, url, 1000);
    const other = await opened(t, url);
    server.pause();
    t.after(async () => server.resume());
    await Promise.all(Array.from({ length: 20 }, () => assert.rejects(store.keys.get('a'), unavailable)));
    server.resume();
    // Either the change itself or, where the feed was given up meanwhile, that everything is to be read anew.
    const heard = new Promise((resolve) => store.watch(resolve));
    await retried(() => other.keys.revokeDigest('a', 1));
    await heard;
    await retried(() => store.ping());
    assert.equal(await store.keys.get('a'), null);
  });

  test('a write whose answer was lost is heard of all the same', async (t) => {
    const url = await server.database();
    const store = await opened(t, url, 1000);
    const lock = new Client({ connectionString: url });
    await lock.connect();
    await lock.query('BEGIN');
    await lock.query('LOCK TABLE countersign_revocations');
    const heard = heardOf(store, 'revocations');
    await assert.rejects(
      store.keys.revokeDigest('lost', 1),
      (error: Error) => unavailable(error) && /does not answer in time.*a lock/.test(error.message),
    );
    await lock.query('COMMIT');
    await lock.end();
    assert.deepEqual(await heard, { topic: 'revocations', id: 'lost' });
  });

  test('a database that only reads, as a standby does, is not taken for a store', async (t) => {
    const url = await server.database();
    const before = await opened(t, url);
    await before.ping();
    const admin = new Client({ connectionString: url });
    await admin.connect();
    await admin.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_read_only = on`);
    await admin.end();
    const store = await opened(t, url);
    await assert.rejects(
      store.ping(),
      (error: Error) => unavailable(error) && error.message.endsWith('is read only; name the primary'),
    );
  });

  test('a connection that is cut, and one that falls silent, are given up and made anew', async (t) => {
    const url = new URL(await server.database());
    const relay = await tcpRelay(t, server.port);
    url.port = String(relay.port);
    const store = await opened(t, url.href, 1000);
    const cut = heardOf(store, 'resync');
    relay.cut();
    await cut;
    await retried(() => store.ping());
    await store.keys.insert(keyRecord('a'));
    const silenced = heardOf(store, 'resync');
    relay.silence();
    await assert.rejects(store.keys.get('a'), unavailable);
    await assert.rejects(store.keys.get('a'), unavailable);
    relay.restore();
    await silenced;
    await retried(() => store.ping());
    assert.deepEqual(await store.keys.get('a'), keyRecord('a'));
  });

  test('closing does not wait for a server that fell silent', async (t) => {
    const url = new URL(await server.database());
    const relay = await tcpRelay(t, server.port);
    url.port = String(relay.port);
    const store = postgresStore({ url: url.href, patienceMillis: 1000 });
    await retried(() => store.migrate());
    relay.silence();
    const asked = assert.rejects(store.ping(), unavailable);
    await store.close();
    await asked;
  });

  test('plain SQL of other programs is heard of, and much of it at once is a resync', async (t) => {
    const url = await server.database();
    const store = await opened(t, url);
    const heard: string[] = [];
    let next: () => void = () => {};
    store.watch(({ topic, id }) => {
      heard.push(`${topic} ${id}`);
      next();
    });
    const other = new Client({ connectionString: url });
    await other.connect();
    t.after(() => other.end());
    const hears = async (statement: string, expected: readonly string[]): Promise<void> => {
      heard.length = 0;
      const all = new Promise<void>((resolve) => (next = () => heard.length >= expected.length && resolve()));
      await other.query(statement);
      await all;
      assert.deepEqual(heard, expected);
    };
    const one = tokenRecord(1).tokenId;
    await hears(
      `INSERT INTO auth_tokens (token_id, token_hash, expires_at) VALUES ('${one}', 'h', now() + interval '1 day')`,
      [`tokens ${one}`],
    );
    await hears(`UPDATE auth_tokens SET revoked_at = now()`, [`tokens ${one}`]);
    await hears(`UPDATE auth_tokens SET revoked_at = NULL`, [`tokens ${one}`]);
    await hears(`DELETE FROM auth_tokens`, [`tokens ${one}`]);
    await hears(`INSERT INTO countersign_revocations VALUES ('d', 1)`, ['revocations d']);
    await hears(`INSERT INTO countersign_modes VALUES ('a b', 'off', 1, 'sql')`, ['modes a b']);
    await hears(`INSERT INTO countersign_revocations SELECT i::text, 1 FROM generate_series(1, 1000) AS i`, [
      'resync ',
    ]);
    await hears('TRUNCATE countersign_keys', ['resync ']);
    // What ended by itself is not told of: the next thing heard is the next change.
    await hears(`INSERT INTO auth_tokens (token_id, token_hash, expires_at) VALUES ('${one}', 'h', 'epoch')`, [
      `tokens ${one}`,
    ]);
    await hears(`DELETE FROM auth_tokens; INSERT INTO countersign_revocations VALUES ('e', 1)`, ['revocations e']);
  });

  test('exactly as many of 200 concurrent uses pass over two instances as there is room for', async (t) => {
    const url = await server.database();
    const stores = [await opened(t, url), await opened(t, url)];
    const over = <T>(verb: (store: Store) => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: 200 }, (_, index) => verb(stores[index % 2] as Store)));
    assert.equal((await over((store) => store.limits.once('nonce', 2000, 1000))).filter(Boolean).length, 1);
    const states = await over((store) => store.limits.take('k', 5, 60, 1000));
    assert.equal(states.filter(({ allowed }) => allowed).length, 5);
  });

  test('text that Postgres cannot hold costs neither a decision nor a token', async (t) => {
    const store = await opened(t, await server.database());
    await store.tokens.insert(tokenRecord(1, { metadata: { note: 'a\0b\ud800', in: [{ '\0\ud800': 1 }] } }));
    const kept = (await store.tokens.get(tokenRecord(1).tokenId))?.metadata;
    assert.deepEqual(kept, { note: 'a\uFFFDb\uFFFD', in: [{ '\uFFFD\uFFFD': 1 }] });
  });

  test('no error shows the password or the URL', async (t) => {
    const whole = new URL(await server.database());
    const wrong = new URL(whole);
    wrong.password = 'another-secret';
    const nobody = new URL(whole);
    nobody.pathname = '/nowhere';
    const unreachable = new URL(whole);
    unreachable.port = '1';
    const encrypted = new URL(whole);
    encrypted.searchParams.set('sslmode', 'verify-full');
    for (const [url, words] of [
      [wrong, /refuses the user or the password/],
      [nobody, /no database of this name/],
      [unreachable, /cannot be reached \(ECONNREFUSED\)/],
      [encrypted, /does not support SSL/],
    ] as const) {
      const store = postgresStore({ url: url.href });
      t.after(() => store.close());
      await assert.rejects(store.ping(), (error: Error) => {
        assert.ok(unavailable(error));
        assert.match(error.message, words);
        const shown = `${error.stack}${JSON.stringify(error)}${String(error.cause)}`;
        for (const secret of [databasePassword, 'another-secret', 'postgres://']) assert.ok(!shown.includes(secret));
        return true;
      });
    }
  });
}

/** Impatient where the test waits for the patience to end. */
async function opened(t: TestContext, url: string, patienceMillis = 2500): Promise<Store> {
  const store = postgresStore({ url, patienceMillis });
  t.after(() => store.close());
  await retried(() => store.migrate());
  return store;
}

/** A machine that is busy with other tests may need longer than the patience of these. */
async function retried<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function heardOf(store: Store, topic: Change['topic']): Promise<Change> {
  return new Promise((resolve) => {
    const stop = store.watch((change) => {
      if (change.topic !== topic) return;
      stop();
      resolve(change);
    });
  });
}
