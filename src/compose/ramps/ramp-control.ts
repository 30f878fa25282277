import type { Clock } from '../../core/clock.ts';
import type { Store } from '../../core/store.ts';
import { randomBase62 } from '../../crypto/random.ts';
import type { Modes } from '../../rollout/modes.ts';
import type { RampPlan } from '../../rollout/ramp/plan.ts';
import { changeRamp, storedRamp } from '../../rollout/ramp/record.ts';
import { cohort } from '../../rollout/ramp/cohort.ts';
import type { Stranger } from '../../rollout/ramp/evidence.ts';
import { settledScopes } from '../../rollout/ramp/settle.ts';
import {
  paused,
  promoted,
  resumed,
  rolledBack,
  started,
  type Culprit,
  type RampState,
} from '../../rollout/ramp/state.ts';
import type { StackConfig } from '../config.ts';
import { rampGround } from './ramp-file.ts';
import { judgementOf, type Judged } from './ramp-judgement.ts';

/** What operators may not do with a ramp as it stands; the message says why, the hint what to do instead. */
export class RampRefused extends Error {
  readonly code = 'ramp_refused';
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.name = 'RampRefused';
    this.hint = hint;
  }
}

export interface RampParts {
  readonly config: StackConfig;
  readonly store: Store;
  readonly clock: Clock;
}

export interface ShownRamp {
  readonly state: RampState;
  /** What the gates say now; nothing of a ramp that has ended. */
  readonly findings: readonly string[];
  /** Whom it refused, and whom it would. */
  readonly culprits: readonly Culprit[];
  /** Whom the step under way refused and nobody knows. */
  readonly strangers: readonly Stranger[];
  /** Who proved who it is and asked at the routes of the step under way. */
  readonly seen: readonly string[];
  /** Those of them for whom it is: of a step for a part of the callers it may be nobody. */
  readonly within: readonly string[];
}

/** Null when there has been no ramp. */
export async function shownRamp(parts: RampParts & Omit<Judged, 'store'>): Promise<ShownRamp | null> {
  const now = parts.clock();
  const state = await storedRamp(parts.store.records, now);
  if (!state) return null;
  const hasEnded = state.status === 'finished' || state.status === 'withdrawn';
  // Of keys and the health address it is shown what was found last: pages ask every few seconds, and there may be many.
  const gates = { ...state.plan.gates, keyExpiry: false, health: null };
  const judgement = hasEnded ? null : await judgementOf(parts, { ...state, plan: { ...state.plan, gates } }, now);
  const culprits = [...state.culprits, ...(judgement?.culprits ?? [])];
  const [seen, place] = [judgement?.callers ?? [], cohort(state.salt)];
  const percent = state.plan.steps[state.step]?.callersPercent ?? 0;
  const distinct = new Map(culprits.map((one) => [`${one.caller} ${one.route} ${one.reason}`, one]));
  return {
    state,
    findings: [...new Set([...state.findings, ...(judgement?.findings ?? [])])],
    culprits: [...distinct.values()],
    strangers: judgement?.strangers ?? [],
    seen,
    within: seen.filter((caller) => place(caller) < percent),
  };
}

/** Why no ramp can be started now; null when one can. Rejects when the store cannot be read. */
export async function startFault({ config, store, clock }: RampParts): Promise<RampRefused | null> {
  if (!config.audit.rows)
    return new RampRefused(
      'decisions are not kept in the store (audit.rows is false), so no gate could tell anything',
      'Write rows: true below audit:, or leave it out.',
    );
  const before = await storedRamp(store.records, clock());
  if (!before || before.status === 'finished' || before.status === 'withdrawn') return null;
  return new RampRefused(
    `the ramp "${before.plan.name}" is ${before.status}`,
    `End it first: countersign ramp rollback all${before.status === 'running' ? '' : ', or go on with it: countersign ramp resume'}`,
  );
}

/**
 * Begins with the first step. What a ramp before it enforces for everybody stays, as modes set at run time; resolves to their
 * scopes. Rejects with RampRefused.
 */
export async function startRamp(parts: RampParts & { readonly modes: Modes }, plan: RampPlan, by: string) {
  const fault = await startFault(parts);
  if (fault) throw fault;
  const { config, store, clock, modes } = parts;
  const before = await storedRamp(store.records, clock());
  const kept = before?.status === 'finished' ? settledScopes(before, rampGround(config, 0).routes) : null;
  if (kept && kept.unsaid.length > 0)
    throw new RampRefused(
      `the ramp before enforces what has no rule at ${kept.unsaid.join(', ')}, and not every rule there: no mode says that`,
      'Write mode: enforce below the service and mode: report below the other rules, then: countersign ramp rollback all',
    );
  for (const scope of kept?.scopes ?? []) await modes.set(scope, 'enforce', by);
  const state = afterModes(started(plan, randomBase62(16), by, clock()), await modesSetAt(store));
  const stored = await changeRamp(store.records, clock, (current) =>
    (current?.orderedAt ?? null) === (before?.orderedAt ?? null) ? state : null,
  );
  if (!stored)
    throw new RampRefused('somebody else changed the ramp at the same moment', 'See: countersign ramp status');
  return { state: stored, kept: kept?.scopes ?? [] };
}

export type RampOrder = 'promote' | 'pause' | 'resume' | 'rollback';

export interface RampOrderOptions {
  readonly why: string | null;
  /**
   * From 1. Of a rollback: which one, or all of them; unless it is said the newest that enforces something. Of a promotion: the
   * one that is meant to be under way, for somebody who has seen it so.
   */
  readonly step?: number | 'all';
  /** Only say what would become of it. */
  readonly dryRun?: boolean;
}

/** The audit's words for what was ordered. */
export const rampEvents = {
  promote: 'ramp.promoted',
  pause: 'ramp.paused',
  resume: 'ramp.resumed',
  rollback: 'ramp.rolled_back',
} as const satisfies Record<RampOrder, string>;

export interface RampOrdered {
  readonly state: RampState;
  /** For the audit: from 1, the step that was ordered about, or all of them. */
  readonly detail: { readonly step: number | 'all'; readonly status: RampState['status'] };
}

/** Takes effect everywhere as soon as the store has it. Rejects with RampRefused where there is nothing to be done. */
export async function orderRamp(
  { store, clock }: Pick<RampParts, 'store' | 'clock'>,
  order: RampOrder,
  options: RampOrderOptions,
): Promise<RampOrdered> {
  const state = await storedRamp(store.records, clock());
  if (!state) throw new RampRefused('there is no ramp', 'Make a plan: countersign ramp plan --out ramp.yaml');
  const setAt = await modesSetAt(store);
  let before = state;
  const change = (now: RampState): RampState | null => {
    before = now;
    const next = ordered(now, order, options, clock());
    return next && next.orderedAt !== now.orderedAt ? afterModes(next, setAt) : next;
  };
  const next = options.dryRun
    ? change(state)
    : await changeRamp(store.records, clock, (current) => current && change(current));
  if (!next) throw new RampRefused(idle(order, state, options), 'See: countersign ramp status');
  return { state: next, detail: { step: stepMeant(order, options, before, next), status: next.status } };
}

function stepMeant(order: RampOrder, { step }: RampOrderOptions, before: RampState, next: RampState): number | 'all' {
  if (order === 'rollback') return step === 'all' ? 'all' : stepOf(before, step) + 1;
  return (order === 'resume' ? next : before).step + 1;
}

/** When the last of the modes that are in the store was set, by the clock of whoever did. */
async function modesSetAt({ modes }: Pick<Store, 'modes'>): Promise<number> {
  return Math.max(-Infinity, ...(await modes.list()).map(({ setAt }) => setAt));
}

/** What is ordered now comes after what was set before, also by somebody whose clock is ahead of ours. */
function afterModes(state: RampState, setAt: number): RampState {
  return { ...state, orderedAt: Math.max(state.orderedAt, setAt + 0.001) };
}

function ordered(state: RampState, order: RampOrder, { why, step }: RampOrderOptions, now: number): RampState | null {
  const said = (words: string): string[] => [why === null ? words : `${words}: ${why}`];
  switch (order) {
    case 'promote':
      if (step !== undefined && step !== state.step + 1) return null;
      return state.status === 'running' || state.status === 'paused' ? promoted(state, now, true) : null;
    case 'pause':
      return paused(state, said('paused by hand'));
    case 'resume':
      return resumed(state, now);
    case 'rollback':
      return rolledBack(state, step === 'all' ? 'all' : stepOf(state, step), said('rolled back by hand'));
  }
}

function stepOf({ steps }: RampState, step: number | undefined): number {
  if (step !== undefined) return step - 1;
  return steps.findLastIndex((status) => status === 'enforced' || status === 'passed');
}

function idle(order: RampOrder, { status }: RampState, { step }: RampOrderOptions): string {
  if (order === 'promote' && step !== undefined) return `step ${step} of the ramp is not the one under way`;
  if (order === 'rollback' && typeof step === 'number') return `step ${step} of the ramp enforces nothing`;
  if (order === 'rollback') return 'nothing of it is enforced';
  if (order === 'pause') return `the ramp is ${status}, not running`;
  return `the ramp is ${status}: ${order === 'promote' ? 'there is no step under way' : 'there is nothing to go on with'}`;
}
