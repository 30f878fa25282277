import { meansRoute } from './plan.ts';
import type { RampState } from './state.ts';

export interface Settled {
  /** Scopes of modes that say what the ramp enforces for everybody. */
  readonly scopes: readonly string[];
  /** Services of which the ramp enforces what has no rule, but not every rule: no scope says that. */
  readonly unsaid: readonly string[];
}

/** What a ramp enforces for everybody, as modes: so that it stays when another ramp takes its place. */
export function settledScopes(
  { plan, steps }: RampState,
  routes: readonly { readonly service: string; readonly label: string }[],
): Settled {
  const lasting = plan.steps.filter(
    ({ callersPercent }, index) => callersPercent === 100 && (steps[index] === 'passed' || steps[index] === 'enforced'),
  );
  const globs = lasting.flatMap((step) => step.routes);
  const scopes: string[] = [];
  const unsaid: string[] = [];
  for (const [service, own] of Map.groupBy(routes, (route) => route.service)) {
    const meant = own.filter(({ label }) => meansRoute(globs, service, label));
    if (meant.length === own.length) scopes.push(service);
    else {
      if (meant.some(({ label }) => label === '*')) unsaid.push(service);
      scopes.push(...meant.filter(({ label }) => label !== '*').map(({ label }) => service + label));
    }
  }
  return { scopes, unsaid };
}
