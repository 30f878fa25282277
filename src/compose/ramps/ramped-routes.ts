import type { Modes } from '../../rollout/modes.ts';
import { routeName } from '../../rollout/ramp/plan.ts';
import { rampShare } from '../../rollout/ramp/share.ts';
import type { RampState } from '../../rollout/ramp/state.ts';
import type { StackConfig } from '../config.ts';
import { routeModes } from './route-modes.ts';

/** A route whose mode says report, and which a ramp enforces all the same. */
export interface RampedRoute {
  readonly service: string;
  /** As the rule names it; '*': what has no rule. */
  readonly label: string;
  /** Of 100 callers. */
  readonly percent: number;
  /** From 1: the newest step that enforces it. */
  readonly step: number;
}

export interface RampedRoutesOptions {
  readonly config: Pick<StackConfig, 'services'>;
  readonly modes: Pick<Modes, 'modeOf' | 'loweredAt'>;
  /** Null where there is no ramp. */
  readonly state: RampState | null;
}

/** In the order of the configuration: whatever modes alone would say about these routes is not what happens to their callers. */
export function rampedRoutes({ config, modes, state }: RampedRoutesOptions): RampedRoute[] {
  if (state === null) return [];
  return routeModes(config, modes).flatMap(({ service, label, mode }) => {
    if (mode !== 'report') return [];
    const share = rampShare(state, service, label, { loweredAt: modes.loweredAt(service, label) });
    return share ? [{ service, label, percent: share.percent, step: share.step + 1 }] : [];
  });
}

/** Whether nobody is let pass any more whom enforcing would refuse: at this service, with null at any. */
export function isAllEnforced(options: RampedRoutesOptions, service: string | null = null): boolean {
  const { config, modes } = options;
  const routes = routeModes(config, modes).filter((route) => service === null || route.service === service);
  const whole = rampedRoutes(options).filter(({ percent }) => percent === 100);
  const byRamp = new Set(whole.map((route) => routeName(route.service, route.label)));
  return (
    routes.length > 0 &&
    routes.every((route) => route.mode === 'enforce' || byRamp.has(routeName(route.service, route.label)))
  );
}
