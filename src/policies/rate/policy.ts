import type { Clock } from '../../core/clock.ts';
import type { Policy } from '../../core/policy.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { RateLimit, Route } from '../../core/route.ts';
import type { LimitStore } from '../../core/store.ts';
import { denyPrincipal, type Denied, type Principal } from '../../core/verdict.ts';
import { addressGroup } from '../address-group.ts';

/**
 * How often: a route's rate limit, counted in the store by caller or by client address. It is asked behind all that
 * judge by the head alone, so that nobody uses up another's limit; what a rule for tools then refuses has used it up.
 */
export function ratePolicy(options: { readonly limits: LimitStore; readonly clock: Clock }): Policy {
  const { limits, clock } = options;
  const prefixes = new WeakMap<Route, string>();

  function prefixOf(route: Route): string {
    let prefix = prefixes.get(route);
    // Two rules may share a path and differ in their methods; each counts for itself.
    if (prefix === undefined)
      prefixes.set(route, (prefix = `rate:${route.service}:${route.methods?.join('+') ?? '*'}:${route.label}:`));
    return prefix;
  }

  async function take(
    limit: RateLimit,
    principal: Principal,
    request: AuthRequest,
    route: Route,
  ): Promise<Denied | null> {
    const who = limit.by === 'caller' ? principal.id : addressGroup(request.remoteAddress);
    const state = await limits.take(prefixOf(route) + who, limit.limit, limit.windowSeconds, clock());
    if (state.allowed) return null;
    const note = `${who} may use ${route.label} ${limit.limit} times in ${limit.windowSeconds} s`;
    return denyPrincipal(principal, 'rate_limited', note, { retryAfter: state.retryAfter });
  }

  return {
    name: 'rate',
    check(principal, request, route) {
      return route.rateLimit === null ? null : take(route.rateLimit, principal, request, route);
    },
  };
}
