import type { StackConfig } from '../compose/config.ts';
import { lookAtKeySources } from '../compose/wiring/key-sources.ts';
import type { Store } from '../core/store.ts';

/** Names of all callers with a key of their own, in the store or where the configuration finds keys, as a server knows them. */
export async function keyHolders(config: StackConfig, { keys }: Pick<Store, 'keys'>): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for await (const page of keys.pages()) for (const { service } of page) names.add(service);
  // What is kept as an API key there belongs to the service that is called.
  for (const { kind, service } of (await lookAtKeySources(config)).keys) if (kind !== 'sk') names.add(service);
  return names;
}
