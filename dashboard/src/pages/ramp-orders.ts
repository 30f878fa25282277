import type { Ramp } from '../shapes.ts';

export interface RampOrderWords {
  readonly title: string;
  readonly action: string;
  readonly danger: boolean;
  readonly words: string;
  /** Where it is asked for, and with which step. */
  readonly path: string;
  readonly step?: 'all';
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
    title: 'Take the newest step back?',
    action: 'Roll back',
    danger: false,
    words:
      'Of the steps that enforce, the last: its routes are reported again, on every replica and at once. What others enforce stays.',
    path: 'rollback',
  },
  rollbackAll: {
    title: 'Take all steps back?',
    action: 'Roll back all steps',
    danger: false,
    words: 'Nothing is enforced by this ramp any more, on every replica and at once. Then another plan can be started.',
    path: 'rollback',
    step: 'all',
  },
};

const ofStatus: Readonly<Record<Ramp['status'], readonly RampOrder[]>> = {
  running: ['promote', 'pause'],
  paused: ['promote', 'resume'],
  stopped: ['resume'],
  finished: [],
  withdrawn: ['resume'],
};

/** The way back comes first, for as long as something is enforced. */
export function ordersOf({ status, steps }: Ramp): readonly RampOrder[] {
  const enforcing = steps.filter((step) => step.status === 'enforced' || step.status === 'passed').length;
  const back: readonly RampOrder[] =
    enforcing === 0 ? [] : enforcing === 1 ? ['rollback'] : ['rollback', 'rollbackAll'];
  return [...back, ...ofStatus[status]];
}
