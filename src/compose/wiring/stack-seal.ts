import { dirname, join } from 'node:path';
import type { Seal } from '../../crypto/seal.ts';
import { masterSeal } from '../../keys/sources/index.ts';
import type { StackConfig } from '../config.ts';
import type { Env } from '../env.ts';

/**
 * The seal for HMAC secrets of this stack. Its key is COUNTERSIGN_MASTER_KEY; where the store belongs to this machine alone, a
 * key is made beside the configuration when the first secret is sealed. Throws a MasterKeyError (code 'master_key').
 */
export function stackSeal(
  config: Pick<StackConfig, 'file' | 'store'>,
  env: Env,
  onNotice: (text: string) => void,
): Seal {
  return masterSeal({ env, folder: stateFolder(config), onNotice });
}

/** Where secrets of this stack lie on this machine; null where the store is shared between machines. */
export function stateFolder({ file, store }: Pick<StackConfig, 'file' | 'store'>): string | null {
  if (store.kind !== 'sqlite' && store.kind !== 'memory') return null;
  if (file !== null) return join(dirname(file), '.countersign');
  // Without a file the store is all that tells where the stack lives.
  return store.kind === 'sqlite' ? dirname(store.file) : join(process.cwd(), '.countersign');
}
