import { systemClock } from '../../core/clock.ts';
import { changeRamp, storedRamp } from '../../rollout/ramp/record.ts';
import { paused, promoted, resumed, rolledBack, type RampState } from '../../rollout/ramp/state.ts';
import type { Invocation } from '../command.ts';
import { EXIT, refused, usage } from '../failure.ts';
import { atWork } from '../workplace.ts';
import { rampDocument, saySteps } from './ramp-words.ts';

interface Order {
  readonly type: `ramp.${string}`;
  /** Null where there is nothing to be done. */
  readonly change: (state: RampState) => RampState | null;
  /** Why there is nothing to be done. */
  readonly idle: (state: RampState) => string;
}

export function rampPromote(invocation: Invocation): Promise<number> {
  return ordered(invocation, {
    type: 'ramp.promoted',
    change: (state) =>
      state.status === 'running' || state.status === 'paused' ? promoted(state, systemClock(), true) : null,
    idle: ({ status }) => `the ramp is ${status}: there is no step under way`,
  });
}

export function rampPause(invocation: Invocation): Promise<number> {
  const why = invocation.text('reason');
  return ordered(invocation, {
    type: 'ramp.paused',
    change: (state) => paused(state, [why === null ? 'paused by hand' : `paused by hand: ${why}`]),
    idle: ({ status }) => `the ramp is ${status}, not running`,
  });
}

export function rampResume(invocation: Invocation): Promise<number> {
  return ordered(invocation, {
    type: 'ramp.resumed',
    change: (state) => resumed(state, systemClock()),
    idle: ({ status }) => `the ramp is ${status}: there is nothing to go on with`,
  });
}

/** Takes effect everywhere at once. */
export function rampRollback(invocation: Invocation): Promise<number> {
  const [words] = invocation.positionals;
  const why = invocation.text('reason');
  return ordered(invocation, {
    type: 'ramp.rolled_back',
    change: (state) =>
      rolledBack(state, stepIn(words, state), [why === null ? 'rolled back by hand' : `rolled back by hand: ${why}`]),
    idle: () => 'nothing of it is enforced',
  });
}

function stepIn(words: string | undefined, state: RampState): number | 'all' {
  if (words === 'all') return 'all';
  if (words === undefined) return state.steps.findLastIndex((status) => status === 'enforced' || status === 'passed');
  const step = /^[1-9][0-9]{0,2}$/.test(words) ? Number(words) : 0;
  if (step < 1 || step > state.steps.length)
    throw usage(`STEP is a number from 1 to ${state.steps.length}, or all; "${words}" is neither`);
  return step - 1;
}

async function ordered(invocation: Invocation, { type, change, idle }: Order): Promise<number> {
  const { out, dryRun } = invocation;
  return atWork(invocation, async ({ store, record }) => {
    const state = await storedRamp(store.records, systemClock());
    if (!state) throw refused('there is no ramp', 'Make a plan: countersign ramp plan --out ramp.yaml');
    const next = dryRun
      ? change(state)
      : await changeRamp(store.records, systemClock, (current) => current && change(current));
    if (!next) throw refused(idle(state), 'See: countersign ramp status');
    if (!dryRun) await record({ type, subject: next.plan.name, detail: { step: state.step + 1, status: next.status } });
    if (invocation.json) out.json({ ...rampDocument(next, next.culprits), dry_run: dryRun });
    else {
      out.line(`${dryRun ? 'would be  ' : ''}${next.status}  ${next.plan.name}`);
      saySteps(out, next.plan, next);
    }
    return EXIT.done;
  });
}
