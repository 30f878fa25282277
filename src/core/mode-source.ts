import type { Mode } from './mode.ts';
import type { AuthRequest } from './request.ts';
import type { Route } from './route.ts';
import type { Verdict } from './verdict.ts';

/** Which mode counts. Asked on every request, so it answers at once and from memory. */
export interface ModeSource {
  /** Of a route. `fileMode`: what the configuration says of it; null where it says nothing. */
  modeOf(service: string, routeLabel: string, fileMode: Mode | null): Mode;
  /**
   * Whether a route in report is enforced already for whoever turned out to ask: while enforcement is turned on step by step. What
   * it says yes to of a denied verdict is refused, and may count as that. A verdict of null: the request passed while nobody was
   * asked. Null or absent: for nobody.
   */
  readonly enforcedFor?: ((verdict: Verdict | null, request: AuthRequest, route: Route) => boolean) | null;
}
