import { Redis } from 'ioredis';
import { KeyError } from '../key-error.ts';
import type { KeyTarget } from './key-target.ts';

export interface RedisTargetOptions {
  /** redis://USER:PASSWORD@HOST:PORT/NUMBER, or rediss:// for TLS. */
  readonly url: string;
  /** Whose key: it is kept as `service:key:<service>`. */
  readonly service: string;
  /** How long a connection, and then again an answer, may take, milliseconds; 2,500. */
  readonly patienceMillis?: number;
}

/** 90 days: how long verifiers that are deployed already keep a key without a rotation. */
export const redisKeySeconds = 7_776_000;

/**
 * The string that deployed verifiers read. It holds one key, so the overlap of a rotation is on our side alone: we accept the old
 * key beside the new one, they take whichever stands there.
 */
export function redisTarget({ url, service, patienceMillis = 2500 }: RedisTargetOptions): KeyTarget {
  const name = `service:key:${service}`;
  const place = `${name} in Redis at ${placeOf(url)}`;

  async function ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(url, {
      lazyConnect: true,
      connectionName: 'countersign',
      connectTimeout: patienceMillis,
      commandTimeout: patienceMillis,
      maxRetriesPerRequest: 0,
      retryStrategy: null,
    });
    let why = 'the connection is closed';
    client.on('error', (error) => (why = wordOf(error)));
    try {
      await client.connect();
      return await work(client);
    } catch (error) {
      // What ioredis throws holds the command with its values, and so the key: only its first word or code is passed on.
      if (error instanceof Error && error.name === 'ReplyError') why = wordOf(error);
      throw new KeyError('not_delivered', `${place} cannot be had (${why})`);
    } finally {
      client.disconnect();
    }
  }

  return {
    name: place,
    async ready(kind) {
      if (kind !== 'hs')
        throw new KeyError(
          'not_delivered',
          `${name} holds the HMAC secret of a service, and this is a key of kind ${kind}`,
        );
      await ask((client) => client.ping());
    },
    held: () => ask((client) => client.get(name)),
    async put(key) {
      await ask((client) => client.set(name, key, 'EX', redisKeySeconds));
    },
  };
}

function wordOf(error: Error): string {
  if (error.name === 'ReplyError') return /^[A-Z]+/.exec(error.message)?.[0] ?? 'ERR';
  return 'code' in error && typeof error.code === 'string' ? error.code : 'the connection broke';
}

function placeOf(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname === '' ? '127.0.0.1' : hostname}:${port === '' ? 6379 : port}`;
}
