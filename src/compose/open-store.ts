import { StoreError, type Store } from '../core/store.ts';
import { stores } from './catalogue.ts';
import type { StoreConfig } from './config.ts';
import { variables, type Env } from './env.ts';
import { ConfigError, environmentFault } from './faults.ts';

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
  const make = stores[config.kind] as (config: StoreConfig, secrets: { supabaseKey: string | null }) => Store;
  return make(config, { supabaseKey });
}
