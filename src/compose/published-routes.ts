import type { Clock } from '../core/clock.ts';
import type { RouteRule } from '../core/route.ts';
import type { Store } from '../core/store.ts';
import type { ServiceConfig } from './config.ts';
import { routesTopicId, rulesOf, sameRules, storedRoutes, type RouteSet } from './route-set.ts';

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

const retryMillis = 1000;

/** Rejects when the store cannot be read, or holds what cannot be used; later on the last good rules stay, and count as stale. */
export async function publishedRoutes({
  store,
  clock,
  onChange,
  onWarning,
}: PublishedRoutesOptions): Promise<PublishedRoutes> {
  let held = await read();
  let behindSince: number | null = null;
  let told = '';
  let reading = false;
  let again = false;
  let closed = false;
  let retry: NodeJS.Timeout | null = null;

  async function read(): Promise<Held | null> {
    const stored = await storedRoutes(store.records, clock());
    return stored && { set: stored.set, rules: rulesOf(stored.set) };
  }

  /** One reading at a time, and one more when something changed during it. */
  async function follow(): Promise<void> {
    again = true;
    if (reading || closed) return;
    reading = true;
    if (retry) clearTimeout(retry);
    const before = held;
    try {
      while (again) {
        again = false;
        held = await read();
        onChange();
      }
      behindSince = null;
      told = '';
    } catch (error) {
      held = before;
      failed(error);
    } finally {
      reading = false;
    }
  }

  function failed(error: unknown): void {
    const words = error instanceof Error ? error.message : String(error);
    if (closed) return;
    if (words !== told) onWarning(`published routes: ${words}; the last good ones stay in force`);
    told = words;
    retry = setTimeout(() => void follow(), retryMillis);
    retry.unref();
  }

  const stop = store.watch((change) => {
    if (change.topic !== 'resync' && !(change.topic === 'records' && change.id === routesTopicId)) return;
    behindSince ??= performance.now();
    void follow();
  });
  // A change between the first reading and the watch would otherwise go unseen.
  void follow();

  return {
    applied: (services) =>
      services.map((service) => ({ ...service, rules: held?.rules.get(service.name) ?? service.rules })),
    behindSince: () => behindSince,
    differences: (services) =>
      services.flatMap(({ name, rules }) => {
        const published = held?.rules.get(name);
        if (!held || !published || sameRules(published, rules)) return [];
        const since = new Date(held.set.publishedAt * 1000).toISOString();
        return [
          `the routes of ${name} are those that ${held.set.publishedBy} published at ${since}, not those of the file; see: countersign routes show`,
        ];
      }),
    close() {
      closed = true;
      stop();
      if (retry) clearTimeout(retry);
    },
  };
}
