import type { Policy } from '../../core/policy.ts';
import { accessAllows, callerId, isShared, type Route } from '../../core/route.ts';
import { denyPrincipal, type Principal } from '../../core/verdict.ts';

/** Who may use a route: its access, its callers, its methods. */
export function routesPolicy(): Policy {
  // Filled once per route and forgotten with it, so that a request costs a look-up and no allocation.
  const callersOf = new WeakMap<Route, ReadonlySet<string>>();

  function isCaller(principal: Principal, route: Route, names: readonly string[]): boolean {
    if (isShared(principal.id)) return false;
    let callers = callersOf.get(route);
    if (!callers) callersOf.set(route, (callers = new Set(names.map(callerId))));
    return callers.has(principal.id);
  }

  return {
    name: 'routes',
    check(principal, request, route) {
      if (!route.methodAllowed)
        return denyPrincipal(principal, 'not_allowed', `${route.label} has rules, but none for ${request.method}`);
      if (!accessAllows(route.access, principal.id))
        return denyPrincipal(principal, 'not_allowed', `${principal.id} is not of the kind that ${accessWords(route)}`);
      if (route.callers !== null && !isCaller(principal, route, route.callers))
        return denyPrincipal(principal, 'not_allowed', callerNote(principal, route));
      return null;
    },
  };
}

function accessWords(route: Route): string {
  return `${route.label} is open to (access: ${route.access})`;
}

function callerNote(principal: Principal, route: Route): string {
  if (isShared(principal.id))
    return `${principal.id} is a shared key, which never satisfies callers on ${route.label}: give the caller a key of its own`;
  return `${principal.id} is not among the callers of ${route.label}`;
}
