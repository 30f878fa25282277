/** The user with few rights of docs/stores.md: what a server may do that has been broken into. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import { forThisFile, startPostgres } from '../../../test/fixtures/databases.ts';
import { tokenRecord } from '../store.fixtures.ts';
import { schemaScript } from './script.ts';
import { postgresStore } from './store.ts';

const server = await forThisFile('a user with few rights on Postgres', startPostgres);

if (server) {
  test('a user with few rights does all that a server does, and gets no more of them by the trigger that tells of changes', async (t) => {
    const url = await server.database();
    const owner = new Client({ connectionString: url });
    await owner.connect();
    t.after(() => owner.end());
    await owner.query(schemaScript());
    await owner.query(`CREATE ROLE few LOGIN PASSWORD 'few';
      GRANT USAGE ON SCHEMA public TO few;
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO few;
      GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO few;
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO few`);
    const theirs = new URL(url);
    [theirs.username, theirs.password] = ['few', 'few'];
    const store = postgresStore({ url: theirs.href });
    t.after(() => store.close());
    await store.tokens.insert(tokenRecord(1));
    await store.tokens.revoke(tokenRecord(1).tokenId, 1);

    const few = new Client({ connectionString: theirs.href });
    await few.connect();
    t.after(() => few.end());
    await few.query(`CREATE FUNCTION pg_temp.take() RETURNS BOOLEAN LANGUAGE plpgsql AS
      $$ BEGIN EXECUTE 'ALTER ROLE few SUPERUSER'; RETURN true; END $$`);
    await few.query(`CREATE TYPE pg_temp.odd AS (a INT)`);
    await few.query(`CREATE FUNCTION pg_temp.shown(pg_temp.odd) RETURNS TEXT LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_temp.take(); RETURN 'x'; END $$`);
    await few.query(`CREATE CAST (pg_temp.odd AS TEXT) WITH FUNCTION pg_temp.shown(pg_temp.odd)`);
    await few.query(`CREATE TEMP TABLE mine (id pg_temp.odd)`);
    await few.query(`CREATE TEMP TABLE auth_tokens (token_id pg_temp.odd)`);
    for (const [table, column] of [
      ['mine', 'id'],
      ['pg_temp.auth_tokens', 'token_id'],
    ] as const)
      for (const [verb, which] of [
        ['INSERT', 'NEW'],
        ['DELETE', 'OLD'],
      ] as const) {
        const trigger = `CREATE TRIGGER take_${verb} AFTER ${verb} ON ${table} REFERENCING ${which} TABLE AS changed FOR EACH STATEMENT
          EXECUTE FUNCTION countersign_tell_others('tokens', '${column}', 'pg_temp.take()')`;
        await few.query(trigger).catch(() => undefined);
        await few
          .query(verb === 'INSERT' ? `INSERT INTO ${table} VALUES (ROW(1))` : `DELETE FROM ${table}`)
          .catch(() => undefined);
        const { rows } = await owner.query(`SELECT rolsuper FROM pg_roles WHERE rolname = 'few'`);
        assert.deepEqual(rows, [{ rolsuper: false }], `${verb} on ${table}`);
      }
    // Nor who may make a schema that is called as the owner is.
    await owner.query('GRANT CREATE ON DATABASE ' + new URL(url).pathname.slice(1) + ' TO few');
    await few.query(`CREATE SCHEMA countersign; GRANT USAGE ON SCHEMA countersign TO PUBLIC;
      CREATE FUNCTION countersign.countersign_note(payload TEXT) RETURNS VOID LANGUAGE plpgsql AS
      $$ BEGIN EXECUTE 'ALTER ROLE few SUPERUSER'; END $$`);
    await few.query('UPDATE public.auth_tokens SET metadata = metadata');
    assert.deepEqual((await owner.query(`SELECT rolsuper FROM pg_roles WHERE rolname = 'few'`)).rows, [
      { rolsuper: false },
    ]);
    // Not even who may make triggers on our table has anything of theirs run by it.
    await owner.query('GRANT TRIGGER ON auth_tokens TO few');
    await few.query(`CREATE TRIGGER mine AFTER DELETE ON public.auth_tokens REFERENCING OLD TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION countersign_tell_others('tokens', 'token_id', 'pg_temp.take()')`);
    await few.query('DELETE FROM public.auth_tokens');
    const { rows } = await owner.query(`SELECT rolsuper FROM pg_roles WHERE rolname = 'few'`);
    assert.deepEqual(rows, [{ rolsuper: false }]);
  });
}
