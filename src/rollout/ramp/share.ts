import { meansRoute } from './plan.ts';
import type { RampState } from './state.ts';

/** What a ramp enforces of a route whose mode is report. */
export interface RampShare {
  /** Of 100 callers. */
  readonly percent: number;
  /** Index of the newest step that enforces it. */
  readonly step: number;
  /** Of the steps that have passed. For their callers it is enforced for good: whoever of them is refused undoes nothing. */
  readonly passedPercent: number;
  /** Steps that are being tried, the newest last. */
  readonly tried: readonly { readonly step: number; readonly percent: number }[];
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
  let [newest, percent, passedPercent] = [-1, 0, 0];
  const tried: { step: number; percent: number }[] = [];
  for (const [step, state] of steps.entries()) {
    const { routes = [], callersPercent = 0 } = plan.steps[step] ?? {};
    if (state !== 'enforced' && state !== 'passed') continue;
    if (isTripped(step) || !meansRoute(routes, service, label)) continue;
    newest = step;
    percent = Math.max(percent, callersPercent);
    if (state === 'passed') passedPercent = Math.max(passedPercent, callersPercent);
    else tried.push({ step, percent: callersPercent });
  }
  return newest === -1 ? null : { step: newest, percent, passedPercent, tried };
}
