import type { LimitStore } from '../../core/store.ts';
import { windowState } from '../window.ts';
import { listOf, type Server } from './server.ts';

/** Kept a little beyond their end, since that is judged by the callers' clocks and this by the server's. */
const keptMillis = 60_000;

export function redisLimits(server: Server): LimitStore {
  return {
    async take(key, limit, windowSeconds, now) {
      if (limit < 1) {
        // Asked all the same, so that a store that is away or closed says so.
        await server.ask((client) => client.ping());
        return { allowed: false, count: 0, retryAfter: windowSeconds };
      }
      const millis = Math.ceil(windowSeconds * 1000) + keptMillis;
      const [allowed, count, endsAt] = listOf(
        await server.run('limitTake', key, limit, now, now + windowSeconds, millis),
      );
      const window = { count: Number(count), endsAt: Number(endsAt) };
      if (Number(allowed) === 1) return { allowed: true, count: window.count, retryAfter: window.endsAt - now };
      return { ...windowState(window, limit, now), allowed: false };
    },
    async peek(key, limit, now) {
      const [count, endsAt] = listOf(
        await server.ask((client) => client.hmget(`countersign:limit:${key}`, 'count', 'endsAt')),
      );
      return windowState(count && endsAt ? { count: Number(count), endsAt: Number(endsAt) } : null, limit, now);
    },
    async once(key, expiresAt, now) {
      const millis = Math.ceil(Math.max(0, expiresAt - now) * 1000) + keptMillis;
      return Number(await server.run('once', key, expiresAt, now, millis)) === 1;
    },
  };
}
