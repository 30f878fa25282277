import { routeTable } from '../core/route-table.ts';
import type { RouteRule } from '../core/route.ts';
import type { ToldEndpoint } from './endpoints.ts';

/**
 * What browsers ask before they call from another site's page, never with a credential (Fetch, section 3.2.2), at paths that proven
 * callers use: under the path of the rule that is theirs, since of `/sessions/:id` each may have been asked for once. Where no rule
 * is, none is given: a rule for OPTIONS alone would refuse the very call that follows.
 */
export function preflights(
  service: string,
  rules: readonly RouteRule[],
  unsigned: readonly ToldEndpoint[],
  provenPaths: ReadonlySet<string>,
): ToldEndpoint[] {
  const table = routeTable(service, rules);
  return unsigned
    .filter(({ method, path }) => method === 'OPTIONS' && provenPaths.has(path))
    .flatMap((endpoint) => {
      const { label, methods } = table.find('OPTIONS', endpoint.path);
      return label === '*' || methods?.includes('OPTIONS') ? [] : [{ ...endpoint, path: label }];
    });
}
