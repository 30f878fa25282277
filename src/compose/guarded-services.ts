import type { GuardedService } from '../core/guard.ts';
import type { RateLimit, Route } from '../core/route.ts';
import { routeTable, type RouteTable } from '../core/route-table.ts';
import { schemesFor, type SchemeParts } from './catalogue.ts';
import type { ServiceConfig } from './config.ts';

/** How the services of one configuration are guarded, by name. */
export function guardedServices(
  services: readonly ServiceConfig[],
  parts: Omit<SchemeParts, 'service'>,
): ReadonlyMap<string, GuardedService> {
  return new Map(
    services.map((service) => [
      service.name,
      {
        table: limited(routeTable(service.name, service.rules), service.rateLimit),
        schemes: schemesFor(service.accept, { ...parts, service }),
        authorization: service.authorization,
        staleSecondsMax: service.staleSecondsMax,
      },
    ]),
  );
}

/** Paths that no rule names are limited too: a limit of the service is meant for all of it. */
function limited(table: RouteTable, rateLimit: RateLimit | null): RouteTable {
  if (rateLimit === null) return table;
  const withLimit = new WeakMap<Route, Route>();
  return {
    ...table,
    find(method, path) {
      const route = table.find(method, path);
      if (route.rateLimit !== null) return route;
      let found = withLimit.get(route);
      if (!found) withLimit.set(route, (found = { ...route, rateLimit }));
      return found;
    },
  };
}
