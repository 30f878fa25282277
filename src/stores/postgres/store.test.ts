import { after } from 'node:test';
import { Client } from 'pg';
import type { Store } from '../../core/store.ts';
import { forThisFile, startPostgres } from '../../../test/fixtures/databases.ts';
import { storeContract } from '../store.contract.ts';
import { postgresStore } from './store.ts';

const server = await forThisFile('the postgres store keeps the store contract', startPostgres);

if (server) {
  const url = await server.database();
  const emptying = new Client({ connectionString: url });
  emptying.on('error', () => {});
  await emptying.connect();
  // Without triggers: nobody is to be told of it.
  await emptying.query('SET session_replication_role = replica');
  after(() => emptying.end());

  const empty = async (): Promise<void> => {
    const { rows } = await emptying.query<{ name: string }>(
      `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'countersign_migrations'`,
    );
    for (const { name } of rows) await emptying.query(`DELETE FROM ${name}`);
  };

  storeContract('the postgres store', {
    shared: true,
    make: async () => {
      await empty();
      const others: Store[] = [];
      const opened = (at = url): Store => {
        const other = postgresStore({ url: at });
        others.push(other);
        return other;
      };
      return {
        store: postgresStore({ url }),
        another: () => opened(),
        wire: { port: server.port, at: (port) => opened(url.replace(`:${server.port}`, `:${port}`)) },
        async dispose() {
          for (const other of others) await other.close();
        },
      };
    },
  });
}
