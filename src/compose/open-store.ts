import type { Store } from '../core/store.ts';
import { stores } from './catalogue.ts';
import type { StoreConfig } from './config.ts';
import type { Env } from './env.ts';
import { ConfigError } from './faults.ts';
import { storeHint } from './quantities.ts';

/** The store that the configuration names; not migrated yet. Rejects with a ConfigError for one that this build lacks. */
export async function openStore(config: StoreConfig, _env: Env): Promise<Store> {
  // Each maker takes the configuration of its own kind, which is what its name selects.
  const make = stores[config.kind] as ((config: StoreConfig) => Store) | undefined;
  if (make) return make(config);
  const message = `this build has no ${config.kind} store`;
  throw new ConfigError(null, [{ source: 'environment', line: 0, column: 0, message, hint: storeHint }]);
}
