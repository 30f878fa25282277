import { Pool } from 'undici';
import type { ServiceConfig, StackConfig } from '../compose/config.ts';

/** The connections to one upstream. */
export interface Upstream {
  readonly pool: Pool;
  /** What stands before every path; '' for none. */
  readonly basePath: string;
  /** Milliseconds until the response's head. */
  readonly headersTimeout: number;
  /** Requests and streams under way. Each has a connection of its own, so this bounds the connections too. */
  open: number;
}

export const openPerUpstreamMax = 4096;

export interface Upstreams {
  of(service: ServiceConfig): Upstream;
  /** Closes what the configuration no longer names; requests under way on those end in peace. */
  keepOnly(config: StackConfig): void;
  close(): Promise<void>;
}

export function upstreams(): Upstreams {
  const pools = new Map<string, Upstream>();
  let byService = new WeakMap<ServiceConfig, Upstream>();

  function make(service: ServiceConfig): Upstream {
    const key = keyOf(service);
    let upstream = pools.get(key);
    if (!upstream) pools.set(key, (upstream = open(service)));
    byService.set(service, upstream);
    return upstream;
  }

  return {
    of: (service) => byService.get(service) ?? make(service),
    keepOnly(config) {
      const named = new Set(config.services.map(keyOf));
      byService = new WeakMap();
      for (const [key, upstream] of pools) {
        if (named.has(key)) continue;
        pools.delete(key);
        upstream.pool.close().catch(() => undefined);
      }
    },
    async close() {
      const closing = [...pools.values()].map((upstream) => upstream.pool.destroy());
      pools.clear();
      await Promise.all(closing);
    },
  };
}

function keyOf({ upstream, timeouts }: ServiceConfig): string {
  return `${upstream} ${timeouts.connectSeconds} ${timeouts.responseSeconds}`;
}

function open({ upstream, timeouts }: ServiceConfig): Upstream {
  const { origin, pathname } = new URL(upstream);
  const pool = new Pool(origin, {
    // One request a connection: a pipelined one would wait behind an open stream.
    pipelining: 1,
    connect: { timeout: timeouts.connectSeconds * 1000, keepAlive: true },
    // An open stream may be silent for hours: event streams, long tool calls.
    bodyTimeout: 0,
    maxHeaderSize: 32_768,
  });
  return {
    pool,
    basePath: pathname === '/' ? '' : pathname.replace(/\/$/, ''),
    headersTimeout: timeouts.responseSeconds * 1000,
    open: 0,
  };
}
