import { meansRoute } from './plan.ts';
import type { RampState } from './state.ts';

/** What a ramp enforces of a route whose mode is report. */
export interface RampShare {
  /** Of 100 callers. */
  readonly percent: number;
  /** Index of the newest step that enforces it. */
  readonly step: number;
  /** Whether that is still being tried. What has passed is enforced for good: whoever is refused there undoes nothing. */
  readonly isTried: boolean;
}

export interface RampShareOptions {
  /** Since when an operator wants it not to be enforced, epoch seconds (see Modes): that counts before a ramp of before. */
  readonly loweredAt: number | null;
  /** Whether a step was rolled back here, and perhaps not in the store yet. */
  readonly isTripped?: (step: number) => boolean;
}

/** Null where the ramp enforces nothing of it. Label: as a route has it. */
export function rampShare(
  { plan, status, steps, orderedAt }: RampState,
  service: string,
  label: string,
  { loweredAt, isTripped = () => false }: RampShareOptions,
): RampShare | null {
  if (status === 'withdrawn' || (loweredAt ?? -Infinity) >= orderedAt) return null;
  let [newest, percent] = [-1, 0];
  for (const [step, state] of steps.entries()) {
    const { routes = [], callersPercent = 0 } = plan.steps[step] ?? {};
    if (state !== 'enforced' && state !== 'passed') continue;
    if (isTripped(step) || !meansRoute(routes, service, label)) continue;
    newest = step;
    percent = Math.max(percent, callersPercent);
  }
  return newest === -1 ? null : { step: newest, percent, isTried: steps[newest] === 'enforced' };
}
