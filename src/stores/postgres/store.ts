import { systemClock, type Clock } from '../../core/clock.ts';
import type { Store } from '../../core/store.ts';
import { clockWarnings } from '../clock-warnings.ts';
import { openDatabase } from './database.ts';
import { postgresDecisions } from './decisions.ts';
import { postgresEvents } from './events.ts';
import { readOnlyFault } from './fault.ts';
import { feed } from './feed.ts';
import { postgresKeys } from './keys.ts';
import { postgresLimits } from './limits.ts';
import { migrate, schemaOf } from './migrate.ts';
import { postgresModes } from './modes.ts';
import { postgresRecords } from './records.ts';
import { databaseState, isReadOnly, settingWarnings, type DatabaseState } from './state.ts';
import { postgresTokens } from './tokens.ts';
import { postgresUsage } from './usage.ts';

export interface PostgresStoreOptions {
  /** postgres://USER:PASSWORD@HOST:PORT/DATABASE, with `sslmode` and what else libpq's URLs may say. */
  readonly url: string;
  readonly clock?: Clock;
  /** How long a connection, and then again an answer, may take before the store counts as away, milliseconds; 2,500. */
  readonly patienceMillis?: number;
}

/**
 * For several machines: all replicas share one database. What is acknowledged is as durable as the database makes it. Nothing
 * is connected before the first verb; every verb ends in bounded time, also when the server has fallen silent. Changes come
 * by NOTIFY, so the connection must be to Postgres itself or to a pooler that pools sessions.
 */
export function postgresStore({ url, clock = systemClock, patienceMillis = 2500 }: PostgresStoreOptions): Store {
  const database = openDatabase(url, patienceMillis);
  const changes = feed(database, patienceMillis);
  return {
    kind: 'postgres',
    keys: postgresKeys(database, changes),
    tokens: postgresTokens(database, changes),
    modes: postgresModes(database, changes),
    limits: postgresLimits(database),
    decisions: postgresDecisions(database),
    usage: postgresUsage(database),
    records: postgresRecords(database, changes),
    events: postgresEvents(database),
    schema: () => schemaOf(database),
    async migrate() {
      const steps = await migrate(database, clock());
      // So that whoever watches from here on misses nothing and need not read everything again.
      await changes.started();
      return steps;
    },
    async ping() {
      const [answer] = await database.query<{ read_only: boolean }>(isReadOnly);
      if (answer?.read_only) throw readOnlyFault(database.place);
    },
    async warnings() {
      await changes.started();
      const asked = clock();
      const [state] = await database.query<DatabaseState>(databaseState);
      const off = state ? clockWarnings(`Postgres at ${database.place}`, state.now, asked, clock()) : [];
      return [...changes.warnings(), ...off, ...(state ? settingWarnings(state) : [])];
    },
    watch: (listener) => changes.watch(listener),
    async close() {
      changes.close();
      await database.close();
    },
  };
}
