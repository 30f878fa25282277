import { dirname, join } from 'node:path';
import type { Seal } from '../crypto/seal.ts';
import { masterSeal } from '../keys/sources/index.ts';
import type { StackConfig } from './config.ts';
import type { Env } from './env.ts';

/**
 * The seal for HMAC secrets of this stack. Its key is COUNTERSIGN_MASTER_KEY; where the store belongs to this machine alone, a
 * key is made beside the configuration when the first secret is sealed. Throws a MasterKeyError (code 'master_key').
 */
export function stackSeal(
  config: Pick<StackConfig, 'file' | 'store'>,
  env: Env,
  onNotice: (text: string) => void,
): Seal {
  const ownMachine = config.store.kind === 'sqlite' || config.store.kind === 'memory';
  const beside = config.file === null ? process.cwd() : dirname(config.file);
  return masterSeal({ env, folder: ownMachine ? join(beside, '.countersign') : null, onNotice });
}
