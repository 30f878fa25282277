import { Agent, buildConnector, Pool } from 'undici';

/** Connections that are used again, to as many origins as are called. */
export interface Connections {
  readonly dispatcher: Agent;
  /** Waits for what is under way, for so many milliseconds, and then breaks it off. */
  close(millisMax: number): Promise<void>;
}

/** PEM texts. */
export interface ClientTls {
  /** Authorities of the other side; those that Node trusts unless given. */
  readonly ca?: string;
  /** The certificate that we show, and its private key. */
  readonly cert?: string;
  readonly key?: string;
  /** The name that the other side's certificate must have, where it is not that of the address. */
  readonly serverName?: string;
}

/** How the connections of one origin are secured. To any other one nothing of it is shown. */
export interface SecuredOrigin {
  readonly origin: string;
  readonly tls: ClientTls | (() => ClientTls);
}

/** Whether the global fetch uses connections that it is handed. Bun and Deno have one of their own, which says nothing and does not. */
export function fetchTakesConnections(): boolean {
  return !('Bun' in globalThis) && !('Deno' in globalThis);
}

/** A certificate that has been replaced is shown no longer than this. */
const securedMillisMax = 60_000;

export function connections(secured: SecuredOrigin | null = null): Connections {
  // By origin: an agent lets go of a pool that is idle for long, and makes another when it needs one.
  const pools = new Map<string, Pool>();
  const dispatcher = new Agent({
    // How long a call may take is its deadline's business, and a stream may be quiet for as long as it likes.
    headersTimeout: 0,
    bodyTimeout: 0,
    factory(origin, options) {
      const pool = new Pool(
        origin,
        secured?.origin === String(origin) ? { ...options, ...securing(secured) } : options,
      );
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

function securing({ tls }: SecuredOrigin): Pick<Pool.Options, 'connect' | 'clientTtl'> {
  return {
    clientTtl: securedMillisMax,
    connect(options, callback) {
      try {
        const { ca, cert, key, serverName } = typeof tls === 'function' ? tls() : tls;
        // A session that is resumed would be that of the certificate before.
        const connector = buildConnector({ ca, cert, key, maxCachedSessions: 0 });
        connector({ ...options, ...(serverName !== undefined && { servername: serverName }) }, callback);
      } catch (error) {
        callback(error instanceof Error ? error : new Error(String(error)), null);
      }
    },
  };
}
