import type { DecisionRow } from '../core/store.ts';

/** What was asked for with one method on one path. */
export interface Endpoint {
  readonly method: string;
  /** Null: any of those of its rule that are not told apart. */
  readonly path: string | null;
  /** The rule that applied; '*' for none. */
  readonly label: string;
  /** The rule that applies by now. */
  readonly labelNow: string;
  count: number;
  /** The different minutes in which it was asked for; at most a thousand of them. */
  readonly minutes: Set<number>;
  /** Callers, or addresses, and how often each; at most a hundred of them. */
  readonly who: Map<string, number>;
  firstSeen: number;
  lastSeen: number;
  requestId: string;
}

export type ToldEndpoint = Endpoint & { readonly path: string };

export function isTold(endpoint: Endpoint): endpoint is ToldEndpoint {
  return endpoint.path !== null;
}

/** Where a request belongs today. */
export interface Place {
  readonly path: string;
  readonly labelNow: string;
}

export interface Endpoints {
  add(row: DecisionRow, place: Place, who: string): void;
  all(): readonly Endpoint[];
}

const minutesMax = 1000;
/** Where there are so many, some may have been left out. */
export const whoMax = 100;

/**
 * Bounded, whoever asks for what: beyond so many paths the first ones are told apart, and of all others it is known by which rule
 * and method they were asked for, and by whom.
 */
export function endpoints(pathsMax: number): Endpoints {
  const found = new Map<string, Endpoint>();
  return {
    add({ method, route, time, requestId }, { path, labelNow }, who) {
      const ofPath = `${method} ${route} ${path}`;
      const tellsApart = found.has(ofPath) || found.size < pathsMax;
      const key = tellsApart ? ofPath : JSON.stringify([method, route, labelNow]);
      let endpoint = found.get(key);
      if (!endpoint) {
        const seen = { count: 0, minutes: new Set<number>(), who: new Map<string, number>() };
        const asked = { method, path: tellsApart ? path : null, label: route, labelNow };
        endpoint = { ...asked, ...seen, firstSeen: time, lastSeen: time, requestId };
        found.set(key, endpoint);
      }
      endpoint.count += 1;
      if (endpoint.minutes.size < minutesMax) endpoint.minutes.add(Math.floor(time / 60));
      if (endpoint.who.has(who) || endpoint.who.size < whoMax) endpoint.who.set(who, (endpoint.who.get(who) ?? 0) + 1);
      endpoint.firstSeen = Math.min(endpoint.firstSeen, time);
      if (time < endpoint.lastSeen) return;
      endpoint.lastSeen = time;
      endpoint.requestId = requestId;
    },
    all: () => [...found.values()],
  };
}
