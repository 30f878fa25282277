import { cohort } from './cohort.ts';
import type { Asker } from './plan.ts';
import { rampShare } from './share.ts';
import type { RampState } from './state.ts';

/**
 * Whether a refusal is none of the step under way, since a step that has passed refuses the caller as well. `caller` as groups
 * name it: who only claims to be somebody stands where that one does.
 */
export function refusedByPassed(state: RampState): (asker: Asker) => boolean {
  const place = cohort(state.salt);
  return ({ caller, address, service, label }) => {
    const percent = rampShare(state, service, label, { loweredAt: null })?.passedPercent ?? 0;
    return percent === 100 || place(caller?.replace(/\?$/, '') ?? address) < percent;
  };
}
