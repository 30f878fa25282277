import type { Route, RouteRule } from './route.ts';
import { parseTarget, routeKey } from './target.ts';

/** Finds the rule for a path. The most specific path wins, whatever the order of the rules. */
export interface RouteTable {
  /** One for each rule. */
  readonly routes: readonly Route[];
  /** `path`: normalised. What has no rule is found too: it asks for any proven caller. */
  find(method: string, path: string): Route;
}

interface Node {
  readonly literals: Map<string, Node>;
  parameter: Node | null;
  /** Rules that end exactly here, by method; '*' for all methods. */
  exact: Map<string, Route> | null;
  /** Rules that end in '/*' here. */
  below: Map<string, Route> | null;
}

const ruleSegment = /^(?:[A-Za-z0-9._~!$&'()*+,=:@%-]|[\u0080-\ud7ff\ue000-\u{10ffff}])+$/u;

/** Null when the rule's path is well formed; otherwise what is wrong and what to write instead. */
export function rulePathFault(path: string): string | null {
  if (!path.startsWith('/')) return `the path "${path}" must begin with a slash`;
  if (/[?#]/.test(path)) return `the path "${path}" must have no query or fragment: rules match the path only`;
  if (path === '/' || path === '/*') return null;
  const segments = path.slice(1).split('/');
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (last && segment === '*') continue;
    if (segment === '') {
      if (last)
        return `the path "${path}" ends in a slash: leave it out, a rule covers its path with a trailing slash too`;
      return `the path "${path}" has an empty segment`;
    }
    if (segment.includes('*'))
      return `the path "${path}" has a "*" that is not the whole last segment: write /a/* or /a/:name/b`;
    if (segment.startsWith(':') && !/^:[A-Za-z_][A-Za-z0-9_]*$/.test(segment))
      return `the path "${path}" has a parameter "${segment}": write a colon and a name of letters, as in /models/:name`;
    if (!ruleSegment.test(segment)) return `the path "${path}" has a segment "${segment}" that no request can have`;
  }
  const parsed = parseTarget(encodeNonAscii(path));
  return parsed.ok ? null : `the path "${path}" can never match: ${parsed.note}`;
}

/** Two rules with the same key cover the same paths. */
export function rulePathKey(path: string): string {
  return segmentsOf(path)
    .map((segment) => (segment.startsWith(':') ? ':' : segment))
    .join('/');
}

function encodeNonAscii(path: string): string {
  return path.replace(/[\u0080-\u{10ffff}]+/gu, encodeURIComponent);
}

function segmentsOf(path: string): string[] {
  const parsed = parseTarget(encodeNonAscii(path));
  const normalised = parsed.ok ? parsed.path : path;
  return routeKey(normalised).split('/').slice(1);
}

/** What a path without a rule asks for: any proven caller. */
export function unruledRoute(service: string): Route {
  return {
    path: '/*',
    methods: null,
    access: 'any',
    callers: null,
    scopes: [],
    addresses: null,
    rateLimit: null,
    mode: null,
    staleSecondsMax: null,
    mcp: null,
    origins: null,
    service,
    label: '*',
    methodAllowed: true,
  };
}

/** Throws on a rule path that rulePathFault would complain of, and on two rules for the same path and method. */
export function routeTable(service: string, rules: readonly RouteRule[]): RouteTable {
  const root = node();
  const routes: Route[] = [];
  for (const rule of rules) {
    const fault = rulePathFault(rule.path);
    if (fault) throw new TypeError(fault);
    const route: Route = { ...rule, service, label: rule.path, methodAllowed: true, mcp: null, origins: null };
    routes.push(route);
    insert(root, route);
  }
  const unruled = unruledRoute(service);
  const forbidden = forbiddenRoutes();
  return {
    routes,
    find(method, path) {
      const found = walk(root, routeKey(path), 1);
      if (found === null) return unruled;
      return (
        found.get(method) ?? (method === 'HEAD' ? found.get('GET') : undefined) ?? found.get('*') ?? forbidden(found)
      );
    },
  };
}

function node(): Node {
  return { literals: new Map(), parameter: null, exact: null, below: null };
}

function insert(root: Node, route: Route): void {
  const segments = segmentsOf(route.path);
  const below = segments.at(-1) === '*';
  if (below) segments.pop();
  let at = root;
  for (const segment of segments) {
    if (segment === '') continue;
    if (segment.startsWith(':')) at = at.parameter ??= node();
    else {
      let next = at.literals.get(segment);
      if (!next) at.literals.set(segment, (next = node()));
      at = next;
    }
  }
  const byMethod = below ? (at.below ??= new Map<string, Route>()) : (at.exact ??= new Map<string, Route>());
  for (const method of route.methods ?? ['*']) {
    if (byMethod.has(method)) throw new TypeError(`two rules for ${method === '*' ? '' : `${method} `}${route.path}`);
    byMethod.set(method, route);
  }
}

/**
 * Segment by segment, a literal beats a parameter and a parameter beats '/*'; where a more specific start leads nowhere, the
 * next best one is tried. `from` is the index just behind the slash before the segment to be read.
 */
function walk(at: Node, path: string, from: number): Map<string, Route> | null {
  if (from > path.length || (from === path.length && from > 0)) return at.exact ?? at.below;
  const slash = path.indexOf('/', from);
  const end = slash === -1 ? path.length : slash;
  const next = end + 1;
  if (at.literals.size > 0) {
    const child = at.literals.get(path.slice(from, end));
    const found = child && walk(child, path, next);
    if (found) return found;
  }
  if (at.parameter) {
    const found = walk(at.parameter, path, next);
    if (found) return found;
  }
  return at.below;
}

/** A path with rules but none for this method: made once per path, since it is asked for again. */
function forbiddenRoutes(): (byMethod: Map<string, Route>) => Route {
  const made = new WeakMap<Map<string, Route>, Route>();
  return (byMethod) => {
    let route = made.get(byMethod);
    if (!route) {
      const [first] = byMethod.values();
      if (!first) throw new Error('a path in the route table has no rule');
      route = { ...first, access: 'any', callers: null, scopes: [], methods: null, methodAllowed: false };
      made.set(byMethod, route);
    }
    return route;
  };
}
