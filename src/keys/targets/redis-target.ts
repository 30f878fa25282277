import type { Redis } from 'ioredis';
import { systemClock } from '../../core/clock.ts';
import { KeyError } from '../key-error.ts';
import { connectRedis, redisPlace, serviceKeyPrefix } from '../redis-connection.ts';
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
  const name = serviceKeyPrefix + service;
  const place = `${name} in Redis at ${redisPlace(url)}`;

  async function ask<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const { client, faultOf } = await connectRedis(url, patienceMillis, true);
    try {
      await client.connect();
      return await work(client);
    } catch (error) {
      throw new KeyError('not_delivered', `${place} cannot be had: the server ${faultOf(error)}`);
    } finally {
      client.disconnect();
    }
  }

  return {
    name: place,
    lifeSeconds: redisKeySeconds,
    async ready(kind) {
      if (kind !== 'hs')
        throw new KeyError(
          'not_delivered',
          `${name} holds the HMAC secret of a service, and this is a key of kind ${kind}`,
        );
      await ask((client) => client.ping());
    },
    held: () => ask((client) => client.get(name)),
    async put(key, { expiresAt }) {
      // Verifiers of others know of no other end.
      const seconds = Math.min(redisKeySeconds, Math.ceil((expiresAt ?? Infinity) - systemClock()));
      await ask((client) => client.set(name, key, 'EX', Math.max(1, seconds)));
    },
  };
}
