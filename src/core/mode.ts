import type { AuthRequest } from './request.ts';
import type { Route } from './route.ts';
import type { Verdict } from './verdict.ts';

/** off: nothing is judged. report: judged and recorded, but let pass. enforce: refused when not allowed. */
export type Mode = 'off' | 'report' | 'enforce';

export const MODES: readonly Mode[] = ['off', 'report', 'enforce'];

export function isMode(value: unknown): value is Mode {
  return value === 'off' || value === 'report' || value === 'enforce';
}

/** Answers at once and from memory: it is asked on every request. */
export interface ModeSource {
  modeOf(service: string, routeLabel: string, fileMode: Mode | null): Mode;
  /**
   * Whether a route in report is enforced already for whoever turned out to ask: while enforcement is turned on step by step.
   * Null or absent: for nobody.
   */
  readonly enforcedFor?: ((verdict: Verdict, request: AuthRequest, route: Route) => boolean) | null;
}
