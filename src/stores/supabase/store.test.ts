import { after } from 'node:test';
import { Client } from 'pg';
import type { Store } from '../../core/store.ts';
import { forThisFile, startPostgres } from '../../../test/fixtures/databases.ts';
import { startPostgrest } from '../../../test/fixtures/postgrest.ts';
import { schemaScript } from '../postgres/script.ts';
import { storeContract } from '../store.contract.ts';
import { supabaseStore } from './store.ts';

const server = await forThisFile('the supabase store keeps the store contract', startPostgres);

if (server) {
  const databaseUrl = await server.database();
  const { url, secretKey: key } = await startPostgrest({ after }, databaseUrl);
  const editor = new Client({ connectionString: databaseUrl });
  editor.on('error', () => {});
  await editor.connect();
  await editor.query(schemaScript());
  // Without triggers: nobody is to be told of what is emptied between the tests.
  await editor.query('SET session_replication_role = replica');
  after(() => editor.end());

  const empty = async (): Promise<void> => {
    const { rows } = await editor.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'countersign_migrations'`,
    );
    for (const { name } of rows) await editor.query(`DELETE FROM ${name}`);
  };

  storeContract('the supabase store', {
    shared: true,
    remote: true,
    make: async () => {
      await empty();
      const others: Store[] = [];
      const opened = (at = url): Store => {
        const other = supabaseStore({ url: at, key, pollMillis: 10, patienceMillis: 20_000 });
        others.push(other);
        return other;
      };
      const { port } = new URL(url);
      return {
        store: supabaseStore({ url, key, pollMillis: 10, patienceMillis: 20_000 }),
        another: () => opened(),
        wire: { port: Number(port), at: (other) => opened(url.replace(`:${port}`, `:${other}`)) },
        async dispose() {
          for (const other of others) await other.close();
        },
      };
    },
  });
}
