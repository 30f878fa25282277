import { existsSync } from 'node:fs';
import { probeRun } from '../../compose/probe-run.ts';
import { systemClock } from '../../core/clock.ts';
import type { Invocation } from '../command.ts';
import { atWork } from '../workplace.ts';

/** Longer than a question and its request may take. */
const runSecondsMax = 120;

/**
 * Does its work with the secret of a run where the store of the configuration can be written: what an operator asks is no refusal
 * of anybody, so no ramp goes back for it. Elsewhere, on a caller's machine say, with null.
 */
export async function asOperator<Result>(
  invocation: Invocation,
  work: (run: string | null) => Promise<Result>,
): Promise<Result> {
  if (!existsSync(invocation.configFile)) return work(null);
  let isBegun = false;
  try {
    return await atWork(invocation, async ({ store }) => {
      const run = await probeRun(store.records, systemClock, runSecondsMax);
      isBegun = true;
      try {
        return await work(run.secret);
      } finally {
        // It ends by itself where it cannot be ended.
        await run.close().catch(() => undefined);
      }
    });
  } catch (error) {
    if (isBegun) throw error;
    return work(null);
  }
}
