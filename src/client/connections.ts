import { Agent, Pool } from 'undici';

/** Connections that are used again, to as many origins as are called. */
export interface Connections {
  readonly dispatcher: Agent;
  /** Waits for what is under way, for so many milliseconds, and then breaks it off. */
  close(millisMax: number): Promise<void>;
}

export function connections(): Connections {
  // By origin: an agent lets go of a pool that is idle for long, and makes another when it needs one.
  const pools = new Map<string, Pool>();
  const dispatcher = new Agent({
    // How long a call may take is its deadline's business, and a stream may be quiet for as long as it likes.
    headersTimeout: 0,
    bodyTimeout: 0,
    factory(origin, options) {
      const pool = new Pool(origin, options);
      pools.set(String(origin), pool);
      return pool;
    },
  });
  return {
    dispatcher,
    async close(millisMax) {
      // A body that nobody reads, or that never ends, would be waited for without end; an agent that closes has let go of its pools.
      const limit = setTimeout(() => {
        for (const pool of pools.values()) void pool.destroy();
      }, millisMax);
      await dispatcher.close();
      clearTimeout(limit);
      pools.clear();
    },
  };
}
