import { rfc3339 } from '../../core/clock.ts';
import type { Culprit, RampState } from './state.ts';

/** A ramp as JSON shows it. */
export function rampDocument(state: RampState, culprits: readonly Culprit[]): Record<string, unknown> {
  const { plan, status, step, steps, since, startedAt, startedBy, findings } = state;
  return {
    name: plan.name,
    status,
    step: step + 1,
    since: rfc3339(since),
    started_at: rfc3339(startedAt),
    started_by: startedBy,
    steps: plan.steps.map(({ routes, callersPercent, soakSeconds, promote }, index) => ({
      routes,
      callers_percent: callersPercent,
      soak_seconds: soakSeconds,
      promote,
      status: steps[index],
    })),
    findings,
    culprits: culprits.map(({ caller, route, reason, requestId }) => ({
      caller,
      route,
      reason,
      request_id: requestId,
    })),
  };
}
