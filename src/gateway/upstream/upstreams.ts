import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import type { ServiceConfig, StackConfig } from '../../compose/config.ts';
import { UpstreamConnection } from './connection.ts';
import type { Origin } from './open-socket.ts';

/** The connections to one upstream. */
export interface Upstream {
  /** What stands before every path; '' for none. */
  readonly basePath: string;
  /** The path as the configuration has it: asked for where nothing follows the name of the service. */
  readonly barePath: string;
  /** Host and port, as the upstream is to be called in Host. */
  readonly host: string;
  /** Milliseconds until the response's head. */
  readonly headersTimeout: number;
  /**
   * Takes a place for one request; false when too many are under way. It must be given back when the request is over, however
   * it ended. Callers of whom nothing is proven get half of the places at most: with requests that never end they could
   * otherwise keep everybody else out.
   */
  take(proven: boolean): boolean;
  give(proven: boolean): void;
  /** One that is idle, or a new one. */
  connection(): UpstreamConnection;
  /** One that has carried nothing; `switching`: its socket is to be handed over. */
  newConnection(switching: boolean): UpstreamConnection;
  /** For the next request, where that may be. */
  keep(connection: UpstreamConnection): void;
}

/** Requests and streams under way to one upstream. Each has a connection of its own, so this bounds the connections too. */
const placesUsual = 4096;

export interface Upstreams {
  of(service: ServiceConfig): Upstream;
  /** Closes what the configuration no longer names; requests under way on those end in peace. */
  keepOnly(config: StackConfig): void;
  /** Called every now and then: closes what has been idle for too long. `now`: milliseconds. */
  sweep(now: number): void;
  /** Closes what is idle; requests under way are their owners'. */
  close(): void;
}

/** How single services are reached. */
export interface Ways {
  /** To a server that is run here; null for those that are reached over the network. */
  pipeTo(service: ServiceConfig): (() => Duplex) | null;
  /** Asked for each connection, since certificates change. */
  secure(service: ServiceConfig): SecureContext | null;
}

const usualWays: Ways = { pipeTo: () => null, secure: () => null };

export function upstreams(places = placesUsual, ways = usualWays): Upstreams {
  const connections = new Map<string, Connections>();
  let byService = new WeakMap<ServiceConfig, Connections>();

  function make(service: ServiceConfig): Connections {
    const key = keyOf(service);
    let upstream = connections.get(key);
    if (!upstream) connections.set(key, (upstream = new Connections(service, places, ways)));
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
    sweep(now) {
      for (const upstream of connections.values()) upstream.sweep(now);
    },
    close() {
      for (const upstream of connections.values()) upstream.close();
      connections.clear();
    },
  };
}

/** Services of the same key share connections. */
export function keyOf({ upstream, timeouts, command, tls, maxSignedBody }: ServiceConfig): string {
  const run = command === null && tls === null ? '' : JSON.stringify([command, command && maxSignedBody, tls]);
  return `${upstream} ${timeouts.connectSeconds} ${timeouts.responseSeconds} ${run}`;
}

/**
 * One connection a request, and the one that was used last is used next, so that few connections carry what is usual and the
 * others run into their idle time.
 */
class Connections implements Upstream {
  readonly basePath: string;
  readonly barePath: string;
  readonly host: string;
  readonly headersTimeout: number;
  #open = 0;
  #strangers = 0;
  readonly #places: number;
  readonly #origin: Origin;
  readonly #idle: UpstreamConnection[] = [];
  #closed = false;

  constructor(service: ServiceConfig, places: number, ways: Ways) {
    const { upstream, timeouts } = service;
    this.#places = places;
    const { protocol, host, hostname, port, pathname } = new URL(upstream);
    const tls = protocol === 'https:';
    this.#origin = {
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port === '' ? (tls ? 443 : 80) : Number(port),
      tls,
      connectTimeout: timeouts.connectSeconds * 1000,
      pipe: ways.pipeTo(service),
      secure:
        service.tls === null
          ? null
          : () => ({ context: ways.secure(service), serverName: service.tls?.serverName ?? null }),
    };
    this.host = host;
    this.basePath = pathname.replace(/\/$/, '');
    this.barePath = pathname || '/';
    this.headersTimeout = timeouts.responseSeconds * 1000;
  }

  take(proven: boolean): boolean {
    if (this.#open >= this.#places || (!proven && this.#strangers >= this.#places / 2)) return false;
    this.#open += 1;
    if (!proven) this.#strangers += 1;
    return true;
  }

  give(proven: boolean): void {
    this.#open -= 1;
    if (!proven) this.#strangers -= 1;
  }

  connection(): UpstreamConnection {
    const now = performance.now();
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (idle.usable(now)) return idle;
      idle.destroy();
    }
    return this.newConnection(false);
  }

  newConnection(switching: boolean): UpstreamConnection {
    return new UpstreamConnection(this.#origin, switching);
  }

  keep(connection: UpstreamConnection): void {
    if (this.#closed || !connection.usable(performance.now())) connection.destroy();
    else this.#idle.push(connection);
  }

  sweep(now: number): void {
    // Those that were used longest ago stand first.
    while (this.#idle[0]?.usable(now) === false) this.#idle.shift()?.destroy();
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }
}
