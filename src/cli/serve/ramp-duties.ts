import { lease } from '../../core/lease.ts';
import { hasCode } from '../../core/store.ts';
import { messageOf } from '../../core/message-of.ts';
import { uuid } from '../../crypto/random.ts';
import type { Judgement } from '../../rollout/ramp/gates.ts';
import type { RampStep } from '../../rollout/ramp/plan.ts';
import { changeRamp } from '../../rollout/ramp/record.ts';
import { paused, promoted, rightTimes, rolledBack, watchedSeconds, type RampState } from '../../rollout/ramp/state.ts';
import { hasKeyIn, keysOfCallers } from '../../compose/ramps/known-callers.ts';
import { judgementOf } from '../../compose/ramps/ramp-judgement.ts';
import type { Stack } from '../../compose/stack.ts';
import { rounds } from './rounds.ts';

/** What a server does about a ramp by itself: asks the gates, goes on, and goes back. Of several servers one does at a time. */
export interface RampDuties {
  /** Looks at once, whether the time has come or not is the ramp's clock's say. Resolves when it is done. */
  look(): Promise<void>;
  /** Resolves when what is under way has ended. */
  close(): Promise<void>;
}

export interface RampDutiesOptions {
  readonly say: (text: string) => void;
  readonly warn: (text: string) => void;
  /** How often it is asked whether the time has come; 1,000 ms. */
  readonly lookMillis?: number;
}

/** Well above what clocks differ by, and short enough that another soon goes on where one was killed. */
const leaseSeconds = 15;

export function rampDuties(stack: Stack, { say, warn, lookMillis = 1000 }: RampDutiesOptions): RampDuties {
  const { store, clock, trail } = stack;
  const leading = lease({ records: store.records, name: 'ramp', holder: uuid(), seconds: leaseSeconds });
  let told = '';

  async function look(): Promise<void> {
    try {
      const now = clock();
      const kept = stack.ramp.state();
      const state = kept && rightTimes(kept, now);
      // The lease is a write, which every replica hears of: only when the time has come.
      if (state?.status !== 'running' || now - state.lookedAt < state.plan.intervalSeconds) return;
      if (!(await leading.take(now))) return;
      const { config, modes, keyring } = stack;
      const keysElsewhere = keysOfCallers(keyring.found());
      const judgement = await judgementOf(
        { store, config, modes, hasKey: hasKeyIn(keyring), keysElsewhere },
        state,
        now,
      );
      const next = await changeRamp(store.records, clock, (current) =>
        // Somebody was faster: what was judged is no longer what is.
        current?.lookedAt === kept?.lookedAt && current?.status === 'running'
          ? after(rightTimes(current, now), judgement, now)
          : null,
      );
      if (next) await tell(state, next);
    } catch (error) {
      // The store is away, which is said elsewhere: without it nothing goes on, and what is enforced stays so.
      if (!hasCode(error, 'store_unavailable')) warn(`the ramp: ${messageOf(error)}`);
    }
  }

  async function tell(before: RampState, next: RampState): Promise<void> {
    const detail = { step: before.step + 1, findings: next.findings };
    const subject = next.plan.name;
    if (next.status === 'stopped' || next.status === 'withdrawn') {
      warn(`ramp: step ${before.step + 1} is rolled back: ${next.findings.join('; ')}`);
      await trail.record({ type: 'ramp.rolled_back', subject, detail });
    } else if (next.status === 'paused') {
      warn(`ramp: paused at step ${before.step + 1}: ${next.findings.join('; ')}`);
      await trail.record({ type: 'ramp.paused', subject, detail });
    } else if (next.step !== before.step || next.status === 'finished') {
      say(`ramp: step ${before.step + 1} went well${next.status === 'finished' ? ', and was the last one' : ''}`);
      await trail.record({ type: 'ramp.promoted', subject, detail });
    } else if (next.findings.join() !== told) {
      told = next.findings.join();
      if (told !== '') say(`ramp: step ${before.step + 1} waits: ${next.findings.join('; ')}`);
    }
  }

  const looking = rounds(look, lookMillis);
  return {
    look,
    async close() {
      await looking.close();
      await leading.release(clock()).catch(() => undefined);
    },
  };
}

/** Where the ramp is after its gates have said so. */
function after(state: RampState, { answer, findings, culprits }: Judgement, now: number): RampState | null {
  if (answer === 'failed') return rolledBack({ ...state, lookedAt: now }, state.step, findings, culprits);
  const { plan } = state;
  const step = plan.steps[state.step] as RampStep;
  const isGood = answer === 'success';
  const next: RampState = {
    ...state,
    lookedAt: now,
    watchedSeconds: watchedSeconds(state, now),
    successes: isGood ? state.successes + 1 : 0,
    inconclusive: isGood ? 0 : state.inconclusive + 1,
    findings,
    culprits,
  };
  if (plan.inconclusiveLimit !== null && next.inconclusive >= plan.inconclusiveLimit) return paused(next, findings);
  const isSoaked = (next.watchedSeconds ?? 0) >= step.soakSeconds && next.successes >= plan.consecutiveSuccessLimit;
  if (!isSoaked) return next;
  if (step.promote === 'auto') return promoted(next, now, false);
  const isLast = state.step === plan.steps.length - 1;
  const waits = isLast ? 'it is the last step, and the ramp is finished by' : 'the next step waits for';
  return { ...next, findings: [`it went well; ${waits}: countersign ramp promote`] };
}
