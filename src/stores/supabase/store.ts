import { hasCode, StoreError, type SchemaState, type Store } from '../../core/store.ts';
import { missingSteps, told } from '../migrations.ts';
import { listingOfTwo, postgresDecisions } from '../postgres/decisions.ts';
import { postgresEvents } from '../postgres/events.ts';
import { postgresKeys } from '../postgres/keys.ts';
import { postgresLimits } from '../postgres/limits.ts';
import { postgresSteps } from '../postgres/migrate.ts';
import { postgresModes } from '../postgres/modes.ts';
import { postgresRecords } from '../postgres/records.ts';
import { appliedVersions, pingNow } from '../postgres/state.ts';
import { postgresTokens } from '../postgres/tokens.ts';
import { postgresUsage } from '../postgres/usage.ts';
import { withRequestIds } from './decision-search.ts';
import { pollingFeed } from './feed.ts';
import { httpQueries, remedy } from './http.ts';

export interface SupabaseStoreOptions {
  /** https://PROJECT.supabase.co, or a PostgREST's own address with its path. */
  readonly url: string;
  /** The secret (service_role) key. */
  readonly key: string;
  /** How often to ask what has changed, milliseconds; 1,000. */
  readonly pollMillis?: number;
  /** How long an answer may take before the store counts as away, milliseconds; 2,500. */
  readonly patienceMillis?: number;
}

/**
 * The Postgres store, reached over HTTP: the same statements, each a function of the database, so that every verb is one
 * request and one transaction. The schema is made beforehand, since PostgREST makes none. Changes are asked for.
 */
export function supabaseStore({ url, key, pollMillis = 1000, patienceMillis = 2500 }: SupabaseStoreOptions): Store {
  const database = httpQueries({ url, key, patienceMillis });
  const changes = pollingFeed(database, pollMillis);

  async function schema(): Promise<SchemaState> {
    try {
      const applied = await database.query<{ version: number }>(appliedVersions);
      const versions = applied.map(({ version }) => version);
      return { made: true, missing: missingSteps(postgresSteps, versions, database.place).map(told), adopts: null };
    } catch (error) {
      if (!hasCode(error, 'schema_outdated')) throw error;
      return { made: false, missing: postgresSteps.map(told), adopts: null };
    }
  }

  return {
    kind: 'supabase',
    keys: postgresKeys(database, changes),
    tokens: postgresTokens(database, changes),
    modes: postgresModes(database, changes),
    limits: postgresLimits(database),
    decisions: withRequestIds(postgresDecisions(database, listingOfTwo), database.place),
    usage: postgresUsage(database),
    records: postgresRecords(database, changes),
    events: postgresEvents(database),
    schema,
    async migrate() {
      const { missing } = await schema();
      if (missing.length > 0)
        throw new StoreError('schema_outdated', `the schema behind ${database.place} is not up to date; ${remedy}`);
      // So that whoever watches from here on misses nothing and need not read everything again.
      await changes.started();
      return [];
    },
    async ping() {
      await database.query(pingNow);
    },
    warnings: () => Promise.resolve([]),
    watch: (listener) => changes.watch(listener),
    async close() {
      changes.close();
      database.close();
    },
  };
}
