import { existsSync } from 'node:fs';
import { hasCode } from '../../core/store.ts';
import type { StackConfig } from '../config.ts';
import type { Env } from '../env.ts';
import { lookAtKeySources } from '../wiring/key-sources.ts';
import { configText } from '../schema/config-text.ts';
import { loadConfig, type LoadOptions } from './load.ts';
import { openStore } from '../open-store.ts';

/**
 * loadConfig for those who are about to rely on every rule: a caller is known when it is a service, is named under `callers`,
 * or has a key. Other commands read the file unchecked in this one respect, since it is they who give a caller its key.
 */
export async function loadCheckedConfig(
  file: string,
  env: Env,
  { text = configText(file), ...rest }: Omit<LoadOptions, 'keyHolders'> = {},
): Promise<StackConfig> {
  const options = { text, ...rest };
  try {
    // Where the file alone knows every caller, no key need be looked at.
    return loadConfig(file, env, options);
  } catch (error) {
    if (!hasCode(error, 'config_invalid')) throw error;
  }
  let config: StackConfig;
  try {
    config = loadConfig(file, env, { ...options, keyHolders: 'unchecked' });
  } catch (error) {
    if (!hasCode(error, 'config_invalid')) throw error;
    // Other faults stand in the way of asking the store: say them all, unknown callers among them.
    return loadConfig(file, env, options);
  }
  return loadConfig(file, env, { ...options, keyHolders: await keyHolders(config, env) });
}

/** The services that some key proves. A store or a Redis that cannot be asked says so where it is needed, not here. */
async function keyHolders(config: StackConfig, env: Env): Promise<ReadonlySet<string> | 'unchecked'> {
  const sources = await lookAtKeySources(config);
  if (sources.unread) return 'unchecked';
  const holders = new Set(sources.keys.filter(({ kind }) => kind === 'hs').map(({ service }) => service));
  if (config.store.kind === 'memory') return holders;
  if (config.store.kind === 'sqlite' && !existsSync(config.store.file)) return holders;
  const store = await openStore(config.store, env);
  try {
    for await (const page of store.keys.pages()) for (const { service } of page) holders.add(service);
    return holders;
  } catch {
    return 'unchecked';
  } finally {
    await store.close();
  }
}
