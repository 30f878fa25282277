import type { Mode } from './mode.ts';
import type { Route } from './route.ts';
import type { Verdict } from './verdict.ts';

/** would_deny: refused were the route enforced; it passes. public: nobody was asked, since the route is open to all. */
export type Outcome = 'allow' | 'deny' | 'would_deny' | 'public';

/** What becomes of one request, and the evidence for it. */
export interface Decision {
  /** Null when nobody was asked: a public route, or mode off. */
  readonly verdict: Verdict | null;
  readonly route: Route;
  /** That of the route when it was judged. */
  readonly mode: Mode;
  /** Only 'deny' stops a request. In mode off the outcome is 'allow' with a verdict of null. */
  readonly outcome: Outcome;
  /** Time spent deciding, microseconds. */
  readonly durationMicros: number;
}
