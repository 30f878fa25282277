import type { Decision } from './decision.ts';
import type { ModeSource } from './mode-source.ts';
import { deny } from './verdict.ts';

/** Of what was let pass while nobody was asked: whoever comes again is judged. */
export const unjudged = deny('unavailable', 'enforcement began while a request that nobody had judged was under way', {
  retryAfter: 1,
});

/**
 * Whether a route is enforced by now for what was let pass. In report mode nothing is cut off; but enforcement takes effect at once, and
 * a stream that was opened before it could be open for ever. What is open to all is nobody's.
 */
export function isEnforced({ mode, outcome, route }: Decision, modes: ModeSource): boolean {
  if (outcome === 'public') return false;
  return mode === 'enforce' || modes.modeOf(route.service, route.label, route.mode) === 'enforce';
}
