import type { SchemeName, ServiceConfig } from '../../compose/config.ts';
import type { RouteRule } from '../../core/route.ts';
import { routeTable, unruledRoute } from '../../core/route-table.ts';

/** One protected route, and the request by which it is tried. */
export interface Target {
  readonly service: string;
  /** The rule's path, or '*' for what no rule matches. */
  readonly route: string;
  readonly rule: RouteRule;
  readonly method: string;
  /** Path on the gateway's request line, the service's prefix included. */
  readonly path: string;
  readonly accept: readonly SchemeName[];
  readonly authorization: ServiceConfig['authorization'];
}

/** A segment for parameters and for what lies below a '/*': two, in case a rule names the first. */
const segments = ['countersign-probe', 'countersign-probe-2'];

/** Every route of the service that asks for a credential: its rules, and paths that no rule matches. */
export function targetsOf(service: ServiceConfig): Target[] {
  const rules = service.rules.filter(({ access }) => access !== 'public');
  const unruled = { ...unruledRoute(service.name), path: '/*' };
  return [...rules, unruled].flatMap((rule) => {
    const found = sampleOf(service, rule, rule === unruled ? '*' : rule.path);
    return found === null ? [] : [found];
  });
}

/** Null when no request can mean the rule: others that are more specific take all of its paths. */
function sampleOf(service: ServiceConfig, rule: RouteRule, route: string): Target | null {
  const table = routeTable(service.name, service.rules);
  const method = methodOf(rule);
  for (const segment of segments) {
    const path = rule.path
      .split('/')
      .map((part) => (part === '*' || part.startsWith(':') ? segment : encodeURI(decoded(part))))
      .join('/');
    const met = table.find(method, path);
    if (met.label !== route || !met.methodAllowed) continue;
    const { name, accept, authorization } = service;
    return { service: name, route, rule, method, path: `/${name}${path}`, accept, authorization };
  }
  return null;
}

/** Nothing is forwarded, so any method will do; a harmless one reads better in the evidence. */
function methodOf({ methods }: RouteRule): string {
  if (methods === null) return 'GET';
  return ['GET', 'HEAD', 'OPTIONS'].find((method) => methods.includes(method)) ?? methods[0] ?? 'GET';
}

/** A rule may be written encoded already. */
function decoded(part: string): string {
  try {
    return decodeURI(part);
  } catch {
    return part;
  }
}
