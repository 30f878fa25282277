import type { AuthRequest } from '../core/request.ts';
import type { Route } from '../core/route.ts';
import { unruledRoute } from '../core/route-table.ts';
import type { Principal } from '../core/verdict.ts';
import { routesPolicy } from '../policies/routes/index.ts';
import { scopesPolicy } from '../policies/scopes/index.ts';
import type { SchemeName, StackConfig } from './config.ts';

/** What a credential proves, and how. */
export interface Presented {
  readonly principal: Principal;
  /** The schemes that it can be presented by. */
  readonly schemes: readonly SchemeName[];
  /** The only service that accepts it; null for any. */
  readonly acceptedAt: string | null;
}

/** A part of a service that is open to somebody when everything is enforced. */
export interface Reach {
  readonly service: string;
  /** As the rule has it; '/*' where no rule does. */
  readonly path: string;
  /** Null for all that have no rule of their own. */
  readonly methods: readonly string[] | null;
  /** From where the route may be called; null for anywhere. */
  readonly addresses: readonly string[] | null;
}

/** All that a credential opens by the rules of the configuration, judged by the policies themselves. Public routes are not among it. */
export function reachOf({ services }: StackConfig, { principal, schemes, acceptedAt }: Presented): Reach[] {
  const policies = [routesPolicy(), scopesPolicy()];
  const opens = (route: Route): boolean =>
    route.access !== 'public' && policies.every((policy) => policy.check(principal, anyRequest, route) === null);
  return services
    .filter(({ name, accept }) => (acceptedAt ?? name) === name && accept.some((scheme) => schemes.includes(scheme)))
    .flatMap(({ name, rules }) => {
      const routes = rules.map((rule): Route => ({
        ...rule,
        service: name,
        label: rule.path,
        methodAllowed: true,
        mcp: null,
        origins: null,
      }));
      const rest = rules.some(({ path }) => path === '/*') ? [] : [unruledRoute(name)];
      return [...routes, ...rest].filter(opens).map(({ path, methods, addresses }) => ({
        service: name,
        path,
        methods,
        addresses: addresses?.cidrs ?? null,
      }));
    });
}

/** The policies that are asked look at the caller and the route alone; where a request may come from is shown beside. */
const anyRequest: AuthRequest = {
  method: 'GET',
  target: '/',
  path: '/',
  service: '',
  authority: '',
  protocol: 'https',
  remoteAddress: '127.0.0.1',
  requestId: '',
  fields: () => [],
  bodyPresence: 'none',
  body: async () => new Uint8Array(),
};
