import { systemClock, type Clock } from '../../core/clock.ts';
import type { Store } from '../../core/store.ts';
import { changeFeed } from './changes.ts';
import { openDatabase } from './database.ts';
import { sqliteDecisions } from './decisions.ts';
import { sqliteEvents } from './events.ts';
import { sqliteKeys } from './keys.ts';
import { sqliteLimits } from './limits.ts';
import { migrate, schemaOf } from './migrate.ts';
import { sqliteModes } from './modes.ts';
import { sqliteRecords } from './records.ts';
import { sqliteTokens } from './tokens.ts';
import { sqliteUsage } from './usage.ts';

export interface SqliteStoreOptions {
  readonly file: string;
  readonly clock?: Clock;
  /** How often to look for changes made by other processes, milliseconds; 20. */
  readonly pollMillis?: number;
}

/**
 * The embedded store: one file, shared by the processes of one machine. node:sqlite is synchronous, so every verb is done
 * when it returns and its promise only carries the result. Nothing is opened before the first verb.
 */
export function sqliteStore({ file, clock = systemClock, pollMillis = 20 }: SqliteStoreOptions): Store {
  const database = openDatabase(file);
  const changes = changeFeed(database, pollMillis);
  const { step } = database;
  return {
    kind: 'sqlite',
    keys: sqliteKeys(database, changes),
    tokens: sqliteTokens(database, changes),
    modes: sqliteModes(database, changes),
    limits: sqliteLimits(database),
    decisions: sqliteDecisions(database),
    usage: sqliteUsage(database),
    records: sqliteRecords(database, changes),
    events: sqliteEvents(database),
    schema: () => step(() => schemaOf(database)),
    migrate: () => step(() => migrate(database, clock())),
    ping: () =>
      step(() => {
        database.durable.get('SELECT name FROM sqlite_schema LIMIT 1');
        database.checkInPlace();
        database.checkWritable();
      }),
    warnings: () => step(() => []),
    watch: (listener) => changes.watch(listener),
    async close() {
      changes.close();
      database.close();
    },
  };
}
