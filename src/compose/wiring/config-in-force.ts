import type { GuardedService } from '../../core/guard.ts';
import type { ServiceConfig, StackConfig } from '../config.ts';
import { publishedRoutes, type PublishedRoutesOptions } from './published-routes.ts';

/** The configuration in force: what its file says, with the routes that are published. */
export interface ConfigInForce {
  readonly config: StackConfig;
  /** What the file says. */
  readonly written: StackConfig;
  service(name: string): ServiceConfig | null;
  guarded(name: string): GuardedService | null;
  /** Takes up what the file says now; throws where that cannot be used, and what was in force stays so. */
  takeUp(written: StackConfig): void;
  /** One line for each service whose published rules are others than those of its file. */
  differences(): string[];
  /** Since when published routes are known to be behind the store, by performance.now(); null while they are level. */
  behindSince(): number | null;
  close(): void;
}

export interface ConfigInForceOptions extends Omit<PublishedRoutesOptions, 'onChange'> {
  readonly written: StackConfig;
  /** The routes of the file count, whatever is published. */
  readonly ownRoutes: boolean;
  /** How these services are guarded; may throw. */
  readonly guardedServices: (services: readonly ServiceConfig[]) => ReadonlyMap<string, GuardedService>;
  /** Told of every configuration that was taken up. */
  readonly onChange: (config: StackConfig) => void;
}

/** Rejects when the store cannot be read, or holds routes that cannot be used. */
export async function configInForce(options: ConfigInForceOptions): Promise<ConfigInForce> {
  const { store, clock, onWarning, guardedServices, onChange } = options;
  let written = options.written;
  let config = written;
  let services: ReadonlyMap<string, ServiceConfig> = new Map();
  let guarded: ReadonlyMap<string, GuardedService> = new Map();
  const published = options.ownRoutes
    ? null
    : await publishedRoutes({ store, clock, onChange: () => takeUp(written), onWarning });

  function takeUp(now: StackConfig): void {
    const next = published ? { ...now, services: published.applied(now.services) } : now;
    // What can fail is made before anything is replaced.
    const nextGuarded = guardedServices(next.services);
    written = now;
    config = next;
    services = new Map(next.services.map((service) => [service.name, service]));
    guarded = nextGuarded;
    onChange(next);
  }
  takeUp(written);

  return {
    get config() {
      return config;
    },
    get written() {
      return written;
    },
    service: (name) => services.get(name) ?? null,
    guarded: (name) => guarded.get(name) ?? null,
    takeUp,
    differences: () => published?.differences(written.services) ?? [],
    behindSince: () => published?.behindSince() ?? null,
    close: () => published?.close(),
  };
}
