import type { DecisionRow } from '../core/store.ts';

/** What was asked for with one method on one path. */
export interface Endpoint {
  readonly method: string;
  readonly path: string;
  /** The rule that applied; '*' for none. */
  readonly label: string;
  count: number;
  /** The different minutes in which it was asked for; at most a thousand of them. */
  readonly minutes: Set<number>;
  /** Callers, or addresses, and how often each; at most a hundred of them. */
  readonly who: Map<string, number>;
  firstSeen: number;
  lastSeen: number;
  requestId: string;
}

export interface Endpoints {
  add(row: DecisionRow, path: string, who: string): void;
  all(): readonly Endpoint[];
}

const endpointsMax = 5000;
const minutesMax = 1000;
/** Where there are so many, some may have been left out. */
export const whoMax = 100;

/** Bounded, whoever asks for what: beyond so many paths the first ones are what is known. */
export function endpoints(): Endpoints {
  const found = new Map<string, Endpoint>();
  return {
    add({ method, route, time, requestId }, path, who) {
      const key = `${method} ${route} ${path}`;
      let endpoint = found.get(key);
      if (!endpoint) {
        if (found.size >= endpointsMax) return;
        const seen = { count: 0, minutes: new Set<number>(), who: new Map<string, number>() };
        endpoint = { method, path, label: route, ...seen, firstSeen: time, lastSeen: time, requestId };
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
