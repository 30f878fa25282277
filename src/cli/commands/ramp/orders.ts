import { hasCode } from '../../../core/store.ts';
import { orderRamp, rampEvents, RampRefused, type RampOrder } from '../../../compose/ramps/ramp-control.ts';
import { systemClock } from '../../../core/clock.ts';
import { rampDocument } from '../../../rollout/ramp/document.ts';
import type { Invocation } from '../../command.ts';
import { EXIT, refused, usage } from '../../failure.ts';
import { atUrgentWork, atWork } from '../../workplace.ts';
import { sayNext, saySteps } from './words.ts';

export const rampPromote = (invocation: Invocation): Promise<number> => ordered(invocation, 'promote');
export const rampPause = (invocation: Invocation): Promise<number> => ordered(invocation, 'pause');
export const rampResume = (invocation: Invocation): Promise<number> => ordered(invocation, 'resume');
export const rampRollback = (invocation: Invocation): Promise<number> => ordered(invocation, 'rollback');

const stepsMax = 100;

async function ordered(invocation: Invocation, order: RampOrder): Promise<number> {
  const { out, dryRun, positionals } = invocation;
  const step = stepIn(positionals[0]);
  const work = order === 'pause' || order === 'rollback' ? atUrgentWork : atWork;
  return work(invocation, async ({ store, record }) => {
    const options = { why: invocation.text('reason'), dryRun, ...(step !== undefined && { step }) };
    const { state: next, detail } = await orThrow(orderRamp({ store, clock: systemClock }, order, options));
    if (!dryRun) await record({ type: rampEvents[order], subject: next.plan.name, detail });
    if (invocation.json)
      out.json({ ...rampDocument(next, { ...next, strangers: [], seen: [], within: [] }), dry_run: dryRun });
    else {
      out.line(`${dryRun ? 'would be  ' : ''}${next.status}  ${next.plan.name}`);
      saySteps(out, next.plan, next);
      if (!dryRun) sayNext(out, next.status);
    }
    return EXIT.done;
  });
}

function stepIn(words: string | undefined): number | 'all' | undefined {
  if (words === undefined || words === 'all') return words;
  const step = /^[1-9][0-9]{0,2}$/.test(words) ? Number(words) : 0;
  if (step < 1 || step > stepsMax) throw usage(`STEP is a number from 1, or all; "${words}" is neither`);
  return step;
}

/** What may not be done is a refusal of this command. */
export async function orThrow<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof RampRefused && hasCode(error, 'ramp_refused')) throw refused(error.message, error.hint);
    throw error;
  }
}
