import { buildConnector, Client } from 'undici';
import type { ServiceConfig, StackConfig } from '../compose/config.ts';

/** The connections to one upstream. */
export interface Upstream {
  /** What stands before every path; '' for none. */
  readonly basePath: string;
  /** Milliseconds until the response's head. */
  readonly headersTimeout: number;
  /**
   * A connection for one request; null when too many are under way. It must be given back when the request is over, however
   * it ended. Callers of whom nothing is proven get half of the places at most: with requests that never end they could
   * otherwise keep everybody else out.
   */
  take(proven: boolean): Client | null;
  give(connection: Client, proven: boolean): void;
}

/** Requests and streams under way to one upstream. Each has a connection of its own, so this bounds the connections too. */
const placesUsual = 4096;

export interface Upstreams {
  of(service: ServiceConfig): Upstream;
  /** Closes what the configuration no longer names; requests under way on those end in peace. */
  keepOnly(config: StackConfig): void;
  close(): Promise<void>;
}

export function upstreams(places = placesUsual): Upstreams {
  const connections = new Map<string, Connections>();
  let byService = new WeakMap<ServiceConfig, Connections>();

  function make(service: ServiceConfig): Connections {
    const key = keyOf(service);
    let upstream = connections.get(key);
    if (!upstream) connections.set(key, (upstream = new Connections(service, places)));
    byService.set(service, upstream);
    return upstream;
  }

  return {
    of: (service) => byService.get(service) ?? make(service),
    keepOnly(config) {
      const named = new Set(config.services.map(keyOf));
      byService = new WeakMap();
      for (const [key, upstream] of connections) {
        if (named.has(key)) continue;
        connections.delete(key);
        upstream.close();
      }
    },
    async close() {
      const closing = [...connections.values()].map((upstream) => upstream.destroy());
      connections.clear();
      await Promise.all(closing);
    },
  };
}

function keyOf({ upstream, timeouts }: ServiceConfig): string {
  return `${upstream} ${timeouts.connectSeconds} ${timeouts.responseSeconds}`;
}

/**
 * One client a request, and the one that was used last is used next, so that few connections carry what is usual and the
 * others run into their idle time. (A Pool looks for a free client in all of them, and opens one ahead of need.)
 */
class Connections implements Upstream {
  readonly basePath: string;
  readonly headersTimeout: number;
  #open = 0;
  #strangers = 0;
  readonly #places: number;
  readonly #origin: string;
  readonly #options: Client.Options;
  readonly #free: Client[] = [];
  /** Free or not; no more than were ever needed at once. */
  readonly #all: Client[] = [];
  #closed = false;

  constructor({ upstream, timeouts }: ServiceConfig, places: number) {
    this.#places = places;
    const { origin, pathname } = new URL(upstream);
    this.#origin = origin;
    this.#options = {
      // One request a connection: a pipelined one would wait behind an open stream.
      pipelining: 1,
      connect: buildConnector({ timeout: timeouts.connectSeconds * 1000, keepAlive: true }),
      // An open stream may be silent for hours: event streams, long tool calls.
      bodyTimeout: 0,
      maxHeaderSize: 32_768,
    };
    this.basePath = pathname === '/' ? '' : pathname.replace(/\/$/, '');
    this.headersTimeout = timeouts.responseSeconds * 1000;
  }

  take(proven: boolean): Client | null {
    if (this.#open >= this.#places || (!proven && this.#strangers >= this.#places / 2)) return null;
    this.#open += 1;
    if (!proven) this.#strangers += 1;
    return this.#free.pop() ?? this.#made();
  }

  #made(): Client {
    const client = new Client(this.#origin, this.#options);
    this.#all.push(client);
    return client;
  }

  give(client: Client, proven: boolean): void {
    this.#open -= 1;
    if (!proven) this.#strangers -= 1;
    if (this.#closed) client.close().catch(() => undefined);
    else this.#free.push(client);
  }

  close(): void {
    this.#closed = true;
    for (const client of this.#free.splice(0)) client.close().catch(() => undefined);
  }

  async destroy(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#all.map((client) => client.destroy()));
  }
}
