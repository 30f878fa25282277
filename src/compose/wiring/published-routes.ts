import type { Clock } from '../../core/clock.ts';
import { follow, toRecords } from '../../core/follow.ts';
import type { RouteRule } from '../../core/route.ts';
import type { Store } from '../../core/store.ts';
import type { ServiceConfig } from '../config.ts';
import { routesTopicId, rulesOf, sameRules, storedRoutes, type RouteSet } from '../build/route-set.ts';

/** Follows what is published. */
export interface PublishedRoutes {
  /** The services with the rules that count. */
  applied(services: readonly ServiceConfig[]): readonly ServiceConfig[];
  /** Since when the rules are known to be behind the store, by performance.now(); null while they are level. */
  behindSince(): number | null;
  /** One line for each service whose published rules are others than those of its file. */
  differences(services: readonly ServiceConfig[]): string[];
  close(): void;
}

export interface PublishedRoutesOptions {
  readonly store: Pick<Store, 'records' | 'watch'>;
  readonly clock: Clock;
  /** Takes the new rules up; may throw, and then the ones before stay. */
  readonly onChange: () => void;
  readonly onWarning: (text: string) => void;
}

interface Held {
  readonly set: RouteSet;
  readonly rules: ReadonlyMap<string, readonly RouteRule[]>;
}

/** Rejects when the store cannot be read, or holds what cannot be used; later on the last good rules stay, and count as stale. */
export async function publishedRoutes({
  store,
  clock,
  onChange,
  onWarning,
}: PublishedRoutesOptions): Promise<PublishedRoutes> {
  let held = await read();

  async function read(): Promise<Held | null> {
    const stored = await storedRoutes(store.records, clock());
    return stored && { set: stored.set, rules: rulesOf(stored.set) };
  }

  const following = follow({
    store,
    concerns: toRecords(routesTopicId),
    async read() {
      const before = held;
      try {
        held = await read();
        onChange();
      } catch (error) {
        held = before;
        throw error;
      }
    },
    onFailure: (words) => onWarning(`published routes: ${words}; the last good ones stay in force`),
  });

  return {
    applied: (services) =>
      services.map((service) => ({ ...service, rules: held?.rules.get(service.name) ?? service.rules })),
    behindSince: following.behindSince,
    differences: (services) =>
      services.flatMap(({ name, rules }) => {
        const published = held?.rules.get(name);
        if (!held || !published || sameRules(published, rules)) return [];
        const since = new Date(held.set.publishedAt * 1000).toISOString();
        return [
          `the routes of ${name} are those that ${held.set.publishedBy} published at ${since}, not those of the file; see: countersign routes show`,
        ];
      }),
    close: following.close,
  };
}
