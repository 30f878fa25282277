import { StoreError, type Store } from '../core/store.ts';
import type { StoreConfig } from './config.ts';
import { variables, type Env, type Environment } from './env.ts';
import { ConfigError, environmentFault } from './faults.ts';

/** What only the environment says. */
type StoreSecrets = Pick<Environment, 'supabaseKey'>;
type StoreMakers = {
  readonly [K in StoreConfig['kind']]: (
    config: Extract<StoreConfig, { kind: K }>,
    secrets: StoreSecrets,
  ) => Promise<Store>;
};

/** One line per store. Loaded when it is opened: a command waits for the client of no other engine. */
export const stores: StoreMakers = {
  memory: async () => (await import('../stores/memory/store.ts')).memoryStore(),
  sqlite: async ({ file }) => (await import('../stores/sqlite/store.ts')).sqliteStore({ file }),
  postgres: async ({ url }) => (await import('../stores/postgres/store.ts')).postgresStore({ url }),
  redis: async ({ url }) => (await import('../stores/redis/store.ts')).redisStore({ url }),
  supabase: async ({ url }, { supabaseKey }) =>
    (await import('../stores/supabase/store.ts')).supabaseStore({ url, key: supabaseKey ?? '' }),
};

/**
 * For whoever only works with a store: makes the schema where nothing is yet, and rejects with `schema_outdated` where that would
 * change what others may be using.
 */
export async function requireSchema(store: Store): Promise<void> {
  const { made, missing, adopts } = await store.schema();
  if (made && missing.length === 0) return;
  if (!made && adopts === null) {
    await store.migrate();
    return;
  }
  const what = made
    ? `was made by an older version of countersign (missing: ${missing.map(({ name }) => name).join(', ')})`
    : `holds session tokens (auth_tokens) of another program and has not been taken over yet`;
  throw new StoreError(
    'schema_outdated',
    `the ${store.kind} store ${what}; bring it up to date with \`countersign store migrate\`, or by starting \`countersign serve\``,
  );
}

/** The store that the configuration names; not migrated yet. Rejects with a ConfigError where the environment lacks its key. */
export async function openStore(config: StoreConfig, env: Env): Promise<Store> {
  const { read, faults } = variables(env);
  const supabaseKey = config.kind === 'supabase' ? read('SUPABASE_KEY') : null;
  if (config.kind === 'supabase' && supabaseKey === null && faults.length === 0)
    faults.push(environmentFault('SUPABASE_KEY is not set', 'give the secret (service_role) key of the project'));
  if (faults.length > 0) throw new ConfigError(null, faults);
  // Each maker takes the configuration of its own kind, which is what its name selects.
  const make = stores[config.kind] as (config: StoreConfig, secrets: StoreSecrets) => Promise<Store>;
  return make(config, { supabaseKey });
}
