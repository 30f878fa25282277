import { callerId, type Route, type RouteRule } from '../core/route.ts';
import { routeTable, rulePathKey } from '../core/route-table.ts';
import { whoMax, type Endpoint } from './endpoints.ts';
import type { Proposal } from './learn.ts';

/**
 * Without those by which somebody who was seen to pass would pass no more: a path that gets a rule is closed to all other
 * methods, and a pattern takes paths that somebody else asks for.
 */
export function harmless(
  service: string,
  rules: readonly RouteRule[],
  proposals: readonly Proposal[],
  seen: readonly Endpoint[],
): readonly Proposal[] {
  const now = routeTable(service, rules);
  // What a rule of today refuses, no proposal takes away.
  const passing = seen.map(({ method, path, who }) => {
    const route = now.find(method, path);
    return { method, path, callers: asking(who).filter((caller) => passes(caller, route)) };
  });
  for (let left = proposals; ;) {
    const next = routeTable(service, rulesWith(rules, left));
    const harmful = new Set<string>();
    for (const { method, path, callers } of passing) {
      const route = next.find(method, path);
      if (!callers.every((caller) => passes(caller, route))) harmful.add(rulePathKey(route.label));
    }
    if (harmful.size === 0) return left;
    // Without them a path may be another proposal's.
    left = left.filter(({ path }) => !harmful.has(rulePathKey(path)));
  }
}

/** Somebody of whom nothing is known but that there is one. */
const somebody = 'somebody';

function asking(who: ReadonlyMap<string, number>): string[] {
  return who.size < whoMax ? [...who.keys()] : [...who.keys(), somebody];
}

function rulesWith(rules: readonly RouteRule[], proposals: readonly Proposal[]): RouteRule[] {
  const narrowed = new Map(proposals.map(({ index, callers }) => [index, callers]));
  const added = proposals.filter(({ kind }) => kind === 'add');
  return [
    ...rules.map((rule, index) => ({ ...rule, callers: narrowed.get(index) ?? rule.callers })),
    ...added.map(({ path, methods, access, callers }) => ({
      ...plain,
      path,
      methods,
      access: access ?? ('any' as const),
      callers,
    })),
  ];
}

const plain: Omit<RouteRule, 'path' | 'methods' | 'access' | 'callers'> = {
  scopes: [],
  addresses: null,
  rateLimit: null,
  mode: null,
  staleSecondsMax: null,
};

/** As the policy on routes has it. Caller: '' for a stranger. */
function passes(caller: string, { methodAllowed, access, callers }: Route): boolean {
  if (!methodAllowed) return false;
  if (access === 'public') return true;
  const isHolder = caller.startsWith('holder:');
  if (caller === '' || (access === 'operator' && !caller.startsWith('operator:'))) return false;
  if (access === 'service' && !isHolder && !caller.startsWith('service:')) return false;
  return callers === null || (!isHolder && callers.some((name) => callerId(name) === caller));
}
