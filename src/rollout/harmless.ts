import { accessAllows, callerId, isShared, type Route, type RouteRule } from '../core/route.ts';
import { routeTable, rulePathKey, unruledRoute } from '../core/route-table.ts';
import { whoMax, type Endpoint } from './endpoints.ts';
import { isLiteral, overlap } from './path-patterns.ts';
import type { Proposal } from './proposal.ts';

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
  const now = judging(service, rules, []);
  // What a rule of today refuses, no proposal takes away.
  const passing = seen.map((endpoint) => {
    const routes = now(endpoint);
    const callers = asking(endpoint.who).filter((caller) => routes.every((route) => passes(caller, route)));
    return { endpoint, callers };
  });
  for (let left = proposals; ;) {
    const next = judging(service, rules, left);
    const harmful = new Set<string>();
    for (const { endpoint, callers } of passing)
      for (const route of next(endpoint))
        if (!callers.every((caller) => passes(caller, route))) harmful.add(rulePathKey(route.label));
    if (harmful.size === 0) return left;
    // Without them a path may be another proposal's.
    left = left.filter(({ path }) => !harmful.has(rulePathKey(path)));
  }
}

/**
 * By which rules an endpoint is judged, or may be: where its path is not told apart from others, by its rule of today and by whatever
 * may take a path of it.
 */
function judging(service: string, rules: readonly RouteRule[], proposals: readonly Proposal[]) {
  const table = routeTable(service, rulesWith(rules, proposals));
  const byPath = Map.groupBy(table.routes, ({ path }) => rulePathKey(path));
  const added = new Set(proposals.filter(({ kind }) => kind === 'add').map(({ path }) => path));
  return ({ method, path, labelNow }: Endpoint): Route[] => {
    if (path !== null) return [table.find(method, path)];
    const taking = [...added].filter((each) => mayTake(each, labelNow));
    const own = labelNow === '*' ? unruledRoute(service) : routeFor(method, byPath.get(rulePathKey(labelNow)));
    return [own, ...taking.map((each) => routeFor(method, byPath.get(rulePathKey(each))))].filter(
      (route) => route !== null,
    );
  };
}

/** Whether a new rule may be asked for a path that has been another rule's. */
function mayTake(added: string, labelNow: string): boolean {
  if (labelNow === '*') return true;
  // The least specific one takes nothing from any other, and a literal is the most specific.
  return added !== '/*' && !isLiteral(labelNow) && overlap(added, `/${rulePathKey(labelNow)}`);
}

/** Of the rules of one path. */
function routeFor(method: string, routes: readonly Route[] = []): Route | null {
  const naming = (name: string) => routes.find(({ methods }) => methods?.includes(name));
  const forGet = method === 'HEAD' ? naming('GET') : undefined;
  const [first] = routes;
  const none = first ? { ...first, methodAllowed: false } : null;
  return naming(method) ?? forGet ?? routes.find(({ methods }) => methods === null) ?? none;
}

/** Somebody of whom nothing is known but that there is one. */
const somebody = 'somebody';

function asking(who: ReadonlyMap<string, number>): string[] {
  return who.size < whoMax ? [...who.keys()] : [...who.keys(), somebody];
}

/** As they are once the proposals are written. */
export function rulesWith(rules: readonly RouteRule[], proposals: readonly Proposal[]): RouteRule[] {
  const narrowed = new Map(proposals.map(({ index, callers }) => [index, callers]));
  const added = proposals.filter(({ kind }) => kind === 'add');
  return [
    ...rules.map((rule, index) => ({ ...rule, callers: narrowed.get(index) ?? rule.callers })),
    ...added.map(({ path, methods, access, callers }) => ({
      ...unruledRoute(''),
      path,
      methods,
      access: access ?? ('any' as const),
      callers,
    })),
  ];
}

/** As the policy on routes has it. Caller: '' for a stranger. */
function passes(caller: string, { methodAllowed, access, callers }: Route): boolean {
  if (!methodAllowed) return false;
  if (access === 'public') return true;
  if (caller === '' || !accessAllows(access, caller)) return false;
  return callers === null || (!isShared(caller) && callers.some((name) => callerId(name) === caller));
}
