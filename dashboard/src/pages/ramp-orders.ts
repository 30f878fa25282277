import type { Ramp } from '../shapes.ts';

export interface RampOrderWords {
  readonly title: string;
  readonly action: string;
  readonly danger: boolean;
  readonly words: string;
  /** Where it is asked for. */
  readonly path: string;
}

export type RampOrder = 'promote' | 'pause' | 'resume' | 'rollback' | 'rollbackAll';

export const orders: Readonly<Record<RampOrder, RampOrderWords>> = {
  promote: {
    title: 'Go on to the next step now?',
    action: 'Promote',
    danger: true,
    words: 'Whatever the gates say.',
    path: 'promote',
  },
  pause: {
    title: 'Pause the ramp?',
    action: 'Pause',
    danger: false,
    words: 'Nothing follows; what is enforced stays so.',
    path: 'pause',
  },
  resume: {
    title: 'Go on with the ramp?',
    action: 'Resume',
    danger: true,
    words: 'The first step that has not passed is enforced, and watched from the beginning of its soak.',
    path: 'resume',
  },
  rollback: {
    title: 'Take step {step} back?',
    action: 'Roll back',
    danger: false,
    words:
      'Of the steps that enforce, it is the last: its routes are reported again, on every replica and at once. What others enforce stays.',
    path: 'rollback',
  },
  rollbackAll: {
    title: 'Take all steps back?',
    action: 'Roll back all steps',
    danger: false,
    words: 'Nothing is enforced by this ramp any more, on every replica and at once. Then another plan can be started.',
    path: 'rollback',
  },
};

const ofStatus: Readonly<Record<Ramp['status'], readonly RampOrder[]>> = {
  running: ['promote', 'pause'],
  paused: ['promote', 'resume'],
  stopped: ['resume'],
  finished: [],
  withdrawn: ['resume'],
};

/**
 * What is ordered is meant of the step that was seen: while the dialog is open the ramp may go on, or somebody else take that
 * very step back. Undefined where an order is about no step.
 */
export function stepMeant(order: RampOrder, { step, steps }: Ramp): number | 'all' | undefined {
  if (order === 'promote') return step;
  if (order === 'rollback') return steps.findLastIndex(isEnforcing) + 1;
  return order === 'rollbackAll' ? 'all' : undefined;
}

export function titleOf(order: RampOrder, step: number | 'all' | undefined): string {
  return orders[order].title.replace('{step}', String(step));
}

function isEnforcing({ status }: Ramp['steps'][number]): boolean {
  return status === 'enforced' || status === 'passed';
}

/** The way back comes first, for as long as something is enforced. */
export function ordersOf({ status, steps }: Ramp): readonly RampOrder[] {
  const enforcing = steps.filter(isEnforcing).length;
  const back: readonly RampOrder[] =
    enforcing === 0 ? [] : enforcing === 1 ? ['rollback'] : ['rollback', 'rollbackAll'];
  return [...back, ...ofStatus[status]];
}
