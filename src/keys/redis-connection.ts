import type { Redis } from 'ioredis';

/** Strings of this name and a service's id hold that service's HMAC secret, in the clear: deployed verifiers read them. */
export const serviceKeyPrefix = 'service:key:';

export interface RedisConnection {
  readonly client: Redis;
  /** What went wrong, in an operator's words. What ioredis throws holds the command with its values, so none of it is passed on. */
  faultOf(error: unknown): string;
}

const retryMillisMax = 5000;

/**
 * Not connected yet. Makes itself anew from then on, with growing and random pauses, unless it is for one piece of work. Every
 * command ends in bounded time.
 */
export async function connectRedis(url: string, patienceMillis: number, forOne = false): Promise<RedisConnection> {
  // Loaded where it is needed: most commands speak to no Redis.
  const { Redis } = await import('ioredis');
  let last: string | null = null;
  const client = new Redis(url, {
    lazyConnect: true,
    connectionName: 'countersign',
    // Notices of changes come as messages of a subscription.
    protocol: 2,
    connectTimeout: patienceMillis,
    commandTimeout: patienceMillis,
    socketTimeout: patienceMillis,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    retryStrategy: (failures) =>
      forOne ? null : (0.5 + Math.random() / 2) * Math.min(retryMillisMax, 50 * 2 ** Math.min(failures, 7)),
  });
  client.on('error', (error) => {
    last = isOfSelect(error) ? 'it has no database of this number for us' : wordOf(error);
    // Its client would go on in database 0, and take somebody else's keys for ours.
    if (isOfSelect(error)) client.disconnect(!forOne);
  });
  client.on('ready', () => (last = null));
  return {
    client,
    faultOf(error) {
      if (error instanceof Error && error.name === 'ReplyError') return `refuses (${wordOf(error)})`;
      if (error instanceof Error && error.message === 'Command timed out') return 'does not answer in time';
      return `cannot be reached (${last ?? 'the connection is closed'})`;
    },
  };
}

/** Host, port and number: for people, and never the password. */
export function redisPlace(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `${hostname === '' ? '127.0.0.1' : hostname}:${port === '' ? 6379 : port}/${/^\/(\d+)$/.exec(pathname)?.[1] ?? 0}`;
}

function isOfSelect(error: Error): boolean {
  return 'command' in error && (error.command as { name?: string } | undefined)?.name === 'select';
}

function wordOf(error: Error): string {
  if (error.name === 'ReplyError') return /^[A-Z]+/.exec(error.message)?.[0] ?? 'ERR';
  return 'code' in error && typeof error.code === 'string' ? error.code : 'the connection broke';
}
