/** What the tests beside it share: a plan that puts up with nothing and asks for nothing. */
import type { RampGates, RampPlan, RampStep } from './plan.ts';

const noGates: RampGates = {
  claims: 'count',
  upstreamErrors: null,
  decisionMicros: null,
  answerMicros: null,
  clockSkewSeconds: null,
  keyExpiry: false,
  health: null,
};

export function rampStep({ routes, callersPercent, soakSeconds, promote }: Partial<RampStep> = {}): RampStep {
  return {
    routes: routes ?? ['*'],
    callersPercent: callersPercent ?? 100,
    soakSeconds: soakSeconds ?? 600,
    promote: promote ?? 'auto',
  };
}

export function rampPlan({ gates, ...plan }: Partial<Omit<RampPlan, 'gates'>> & { gates?: Partial<RampGates> } = {}) {
  return {
    name: 'enforce',
    steps: [rampStep()],
    intervalSeconds: 60,
    minSamples: 1,
    failureLimit: 0,
    consecutiveSuccessLimit: 3,
    inconclusiveLimit: null,
    exempt: [],
    ...plan,
    gates: { ...noGates, ...gates },
  } satisfies RampPlan;
}
