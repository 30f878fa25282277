import { clockSkewSecondsMax } from '../../core/clock.ts';
import type { RampPlan } from './plan.ts';

/**
 * enforced: it is the step under way. passed: it went well and stays enforced. rolled_back: what it enforced is reported again.
 */
export type StepStatus = 'waiting' | 'enforced' | 'passed' | 'rolled_back';

/**
 * running: gates are asked and steps follow. paused: what is enforced stays so, nothing follows. stopped: a step was rolled back,
 * the others stay. finished: all is enforced. withdrawn: nothing is.
 */
export type RampStatus = 'running' | 'paused' | 'stopped' | 'finished' | 'withdrawn';

export const outsideWindow = 'timestamp_outside_window';

/**
 * Who is refused for these is meant to be: somebody took the key away, the request was there before, or an MCP session is not
 * the caller's, as those are that were opened before they were looked after: whoever hears of it opens another.
 */
const meant: ReadonlySet<string> = new Set(['revoked', 'replayed', 'not_found']);

/** No two places on earth differ by more, so a clock that was set to another place's time, or to yesterday, is within it. */
const clockBehindSecondsMax = 26 * 3600;

/**
 * Whether a signature is older than by any clock that is merely set wrong: then somebody kept the request, and can send it again
 * for ever. What is ahead of us nobody can have kept. `skewSeconds`: the caller's clock minus ours; null where it is not known.
 */
export function wasKept(skewSeconds: number | null): boolean {
  return skewSeconds !== null && skewSeconds < -clockBehindSecondsMax;
}

/** Whether a known caller who is refused for this reason speaks against enforcing. `kept`: see wasKept. */
export function isMishap(reason: string, kept: boolean): boolean {
  return !meant.has(reason) && !(kept && reason === outsideWindow);
}

/** A look may come later than its interval by so much: another server took over, or the store was away for a moment. */
const unwatchedSecondsMax = 60;

/** Whom a step would refuse, or refused. */
export interface Culprit {
  /** With a question mark behind it: it only claims to be that. */
  readonly caller: string;
  readonly route: string;
  readonly reason: string;
  readonly requestId: string;
}

/** Where a ramp is. A document: it is kept as JSON, and replaced as a whole. */
export interface RampState {
  readonly version: 1;
  readonly plan: RampPlan;
  /** Decides which callers come first. */
  readonly salt: string;
  readonly status: RampStatus;
  /** Index of the step under way, or to be taken up again. */
  readonly step: number;
  readonly steps: readonly StepStatus[];
  /** Since when the step is watched, epoch seconds. */
  readonly since: number;
  /** When an operator last ordered it on: modes that were set by hand since then count before it. Epoch seconds. */
  readonly orderedAt: number;
  readonly startedAt: number;
  readonly startedBy: string;
  readonly lookedAt: number;
  /** For how long the step had been watched by then. Ramps from before this was kept do not say. */
  readonly watchedSeconds?: number | undefined;
  readonly successes: number;
  readonly inconclusive: number;
  /** What was found when the gates were last asked, or why it stands still. */
  readonly findings: readonly string[];
  readonly culprits: readonly Culprit[];
}

export function started(plan: RampPlan, salt: string, by: string, now: number): RampState {
  return {
    version: 1,
    plan,
    salt,
    status: 'running',
    step: 0,
    steps: plan.steps.map((_, index) => (index === 0 ? 'enforced' : 'waiting')),
    ...watchedFrom(now),
    orderedAt: now,
    startedAt: now,
    startedBy: by,
    culprits: [],
  };
}

/** The next step that has not passed, after the one under way; null where there is none under way. */
export function promoted(state: RampState, now: number, ordered: boolean): RampState | null {
  if (state.steps[state.step] !== 'enforced') return null;
  const steps = withStep(state.steps, state.step, 'passed');
  const next = steps.findIndex((status, index) => index > state.step && status !== 'passed');
  const last = next < 0;
  return {
    ...state,
    ...watchedFrom(now),
    steps: last ? steps : withStep(steps, next, 'enforced'),
    step: last ? state.step : next,
    status: last ? 'finished' : ordered ? 'running' : state.status,
    orderedAt: ordered ? now : state.orderedAt,
  };
}

export function paused(state: RampState, findings: readonly string[]): RampState | null {
  return state.status === 'running' ? { ...state, status: 'paused', findings } : null;
}

/** Goes on where it stands; a step that was rolled back is taken up again, and watched anew. */
export function resumed(state: RampState, now: number): RampState | null {
  if (state.status === 'running' || state.status === 'finished') return null;
  const step = state.steps.findIndex((status) => status !== 'passed');
  if (step < 0) return null;
  return {
    ...state,
    ...watchedFrom(now),
    steps: withStep(state.steps, step, 'enforced'),
    step,
    status: 'running',
    orderedAt: now,
    culprits: [],
  };
}

/** One step, or all of them. What the others enforce stays. Null where nothing of it is enforced. */
export function rolledBack(
  state: RampState,
  which: number | 'all',
  findings: readonly string[],
  culprits: readonly Culprit[] = [],
): RampState | null {
  const isMeant = (status: StepStatus, index: number): boolean =>
    (status === 'enforced' || status === 'passed') && (which === 'all' || which === index);
  if (!state.steps.some(isMeant)) return null;
  const steps = state.steps.map((status, index) => (isMeant(status, index) ? 'rolled_back' : status));
  const first = steps.indexOf('rolled_back');
  const left = steps.some((status) => status === 'enforced' || status === 'passed');
  return { ...state, steps, step: first, status: left ? 'stopped' : 'withdrawn', findings, culprits };
}

/** As somebody sees it whose clock is right: what lies too far ahead was written while another's had jumped, and is now. */
export function rightTimes(state: RampState, now: number): RampState {
  const right = (time: number, instead: number): number => (time - now > clockSkewSecondsMax ? instead : time);
  return { ...state, since: right(state.since, now), lookedAt: right(state.lookedAt, -Infinity) };
}

/**
 * For how long the step has been watched. Time in which no server looked is none of it: all were down, or the store, or the clock of
 * the one that looks now is ahead of the one that did before, or jumped.
 */
export function watchedSeconds({ plan, since, lookedAt, watchedSeconds: before }: RampState, now: number): number {
  const elapsed = Number.isFinite(lookedAt) ? Math.max(0, now - lookedAt) : 0;
  return (before ?? Math.max(0, lookedAt - since)) + Math.min(elapsed, plan.intervalSeconds + unwatchedSecondsMax);
}

function watchedFrom(
  now: number,
): Pick<RampState, 'since' | 'lookedAt' | 'watchedSeconds' | 'successes' | 'inconclusive' | 'findings'> {
  return { since: now, lookedAt: now, watchedSeconds: 0, successes: 0, inconclusive: 0, findings: [] };
}

function withStep(steps: readonly StepStatus[], index: number, status: StepStatus): readonly StepStatus[] {
  return steps.map((before, at) => (at === index ? status : before));
}
