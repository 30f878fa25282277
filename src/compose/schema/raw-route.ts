import type { RouteRule } from '../../core/route.ts';
import type { RawRoute } from './schema.ts';

const unitSeconds = { d: 86_400, h: 3600, m: 60, s: 1 } as const;

/** A rule in the words of the configuration, its defaults left out. What `ruleOf` makes of it is the same rule. */
export function rawRoute({
  path,
  methods,
  access,
  callers,
  scopes,
  addresses,
  rateLimit,
  mode,
  staleSecondsMax,
}: RouteRule): RawRoute {
  return {
    path,
    ...(methods && { methods: [...methods] }),
    ...(access !== 'any' && { access }),
    ...(callers && { callers: [...callers] }),
    ...(scopes.length > 0 && { scopes: [...scopes] }),
    ...(addresses && { allowedIps: [...addresses.cidrs] }),
    ...(rateLimit && { rateLimit: { limit: rateLimit.limit, per: rateLimit.windowSeconds, by: rateLimit.by } }),
    ...(mode && { mode }),
    ...(staleSecondsMax !== null && {
      onStoreOutage: staleSecondsMax === 0 ? 'deny' : `cached(${duration(staleSecondsMax)})`,
    }),
  };
}

/** In the largest unit that has no remainder. */
function duration(seconds: number): string {
  for (const [unit, length] of Object.entries(unitSeconds))
    if (seconds % length === 0) return `${seconds / length}${unit}`;
  return `${seconds}s`;
}
