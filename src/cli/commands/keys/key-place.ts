import { resolve } from 'node:path';
import type { StackConfig } from '../../../compose/config.ts';
import { fileTarget, redisTarget, type KeyTarget } from '../../../keys/targets/index.ts';
import type { Invocation } from '../../command.ts';
import { usage } from '../../failure.ts';

/** Where --to says that the caller reads its key; null without it. */
export function placeOption(invocation: Invocation, config: StackConfig, service: string): KeyTarget | null {
  const to = invocation.text('to');
  if (to === null) return null;
  if (to !== 'redis') return fileTarget({ path: resolve(to), form: to.endsWith('.env') ? 'env' : 'key' });
  const url = config.keys.find((source) => source.kind === 'redis')?.url;
  if (url !== undefined) return redisTarget({ url, service });
  throw usage(
    '--to redis needs to know which one',
    'Write into the configuration: keys: [{ redis: redis://127.0.0.1:6379 }]',
  );
}
