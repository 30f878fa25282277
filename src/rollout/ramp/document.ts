import { rfc3339 } from '../../core/clock.ts';
import type { Stranger } from './evidence.ts';
import type { Culprit, RampState } from './state.ts';

/** What is found of it by now. */
export interface RampFindings {
  readonly findings: readonly string[];
  readonly culprits: readonly Culprit[];
  readonly strangers: readonly Stranger[];
  /** Who asked at the routes of the step under way, and for whom of them it is. */
  readonly seen: readonly string[];
  readonly within: readonly string[];
}

/** A ramp as JSON shows it. */
export function rampDocument(
  state: RampState,
  { findings, culprits, strangers, seen, within }: RampFindings,
): Record<string, unknown> {
  const { plan, status, step, steps, since, startedAt, startedBy, successes } = state;
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
    successes,
    successes_needed: plan.consecutiveSuccessLimit,
    callers_seen: seen,
    callers_within: within,
    findings,
    culprits: culprits.map(({ caller, route, reason, requestId }) => ({
      caller,
      route,
      reason,
      request_id: requestId,
    })),
    strangers: strangers.map(({ caller, address, route, reason, requests, requestId }) => ({
      caller,
      client_address: address,
      route,
      reason,
      requests,
      request_id: requestId,
    })),
  };
}
