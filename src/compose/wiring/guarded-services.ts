import type { GuardedService } from '../../core/guard.ts';
import type { Route } from '../../core/route.ts';
import { routeTable, type RouteTable } from '../../core/route-table.ts';
import { schemesFor, type SchemeParts } from '../catalogue.ts';
import type { ServiceConfig } from '../config.ts';

/** How credentials are read outside service routes: /auth, /metrics, /mcp. */
export const outsideServices: SchemeParts['service'] = {
  authorization: 'ours',
  signature: { windowSeconds: 300, replay: 'off', ageSeconds: 60, skewSeconds: 30, hosts: null },
  oauth: null,
};

/** How the services of one configuration are guarded, by name. */
export function guardedServices(
  services: readonly ServiceConfig[],
  parts: Omit<SchemeParts, 'service'>,
): ReadonlyMap<string, GuardedService> {
  return new Map(
    services.map((service) => [
      service.name,
      {
        table: routesOf(service),
        schemes: schemesFor(service.accept, { ...parts, service }),
        authorization: service.authorization,
        staleSecondsMax: service.staleSecondsMax,
      },
    ]),
  );
}

/** Paths that no rule names have them too: what the service says of limits, tools and origins is meant for all of it. */
export function routesOf({ name, rules, rateLimit, mcp, origins }: ServiceConfig): RouteTable {
  const table = routeTable(name, rules);
  if (rateLimit === null && mcp === null && origins === null) return table;
  const complete = new WeakMap<Route, Route>();
  return {
    ...table,
    find(method, path) {
      const route = table.find(method, path);
      let found = complete.get(route);
      if (!found) complete.set(route, (found = { ...route, rateLimit: route.rateLimit ?? rateLimit, mcp, origins }));
      return found;
    },
  };
}
