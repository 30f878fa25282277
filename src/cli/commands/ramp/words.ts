import { rfc3339 } from '../../../core/clock.ts';
import type { ShownRamp } from '../../../compose/ramps/ramp-control.ts';
import type { Prediction } from '../../../compose/ramps/predicted-refusals.ts';
import { listed } from '../../../core/listed.ts';
import type { RampPlan } from '../../../rollout/ramp/plan.ts';
import { rightTimes, watchedSeconds, type RampState } from '../../../rollout/ramp/state.ts';
import { callerWords, counted } from '../../../audit/report/words.ts';
import { columns, type Output, type Style } from '../../output.ts';

const styles: Readonly<Record<string, Style>> = {
  running: 'cyan',
  paused: 'yellow',
  stopped: 'red',
  withdrawn: 'red',
  finished: 'green',
  enforced: 'cyan',
  passed: 'green',
  rolled_back: 'red',
};

/** All of them are in the plan, and in the JSON. */
const routesShown = 6;

export function saySteps(out: Output, plan: RampPlan, state: RampState | null): void {
  const rows = plan.steps.map(({ routes, callersPercent, soakSeconds, promote }, index) => {
    const status = state?.steps[index] ?? '';
    return [
      String(index + 1),
      { text: status.replace('_', ' '), style: styles[status] ?? 'dim' },
      `${callersPercent} %`,
      spanOf(soakSeconds),
      promote,
      listed(routes, routesShown),
    ];
  });
  for (const line of columns(['STEP', 'STATUS', 'CALLERS', 'SOAK', 'PROMOTE', 'ROUTES'], rows, out)) out.line(line);
}

export function sayRamp(
  out: Output,
  { state, findings, culprits, strangers, seen, within }: ShownRamp,
  now: number,
): void {
  const { plan, status, startedAt, startedBy, step, successes } = state;
  out.line(
    `${out.paint(styles[status] ?? 'bold', status)}  ${plan.name}, started ${rfc3339(startedAt)} by ${startedBy}`,
  );
  saySteps(out, plan, state);
  if (status === 'running') {
    const soak = plan.steps[step]?.soakSeconds ?? 0;
    const said = `the gates said yes ${counted(successes, 'time')} in a row, needed: ${plan.consecutiveSuccessLimit}`;
    const watched = Math.floor(watchedSeconds(rightTimes(state, now), now));
    out.line(`step ${step + 1} has been watched for ${spanOf(watched)} of ${spanOf(soak)}; ${said}`);
  }
  if ((plan.steps[step]?.callersPercent ?? 100) < 100 && seen.length > 0)
    out.line(
      `of the ${counted(seen.length, 'caller')} seen at its routes it is for ${within.length === 0 ? 'nobody yet' : listed(within, callersShown)}`,
    );
  for (const words of findings) out.advice(`  ${words}`);
  sayStrangers(out, strangers);
  if (culprits.length === 0) return sayNext(out, status);
  const rows = culprits.map(({ caller, route, reason, requestId }) => [caller, route, reason, requestId]);
  for (const line of columns(['CALLER', 'ROUTE', 'REASON', 'EXAMPLE'], rows, out)) out.line(line);
  if (status === 'stopped' || status === 'withdrawn')
    out.talk('Mend what is named, then: countersign ramp resume. Once more back: countersign ramp rollback all');
  else sayNext(out, status);
}

export function sayPredictions(out: Output, predictions: readonly Prediction[]): void {
  for (const { callers, step } of predictions)
    if (callers.length > 0) out.talk(out.paintTalk('yellow', `step ${step} would refuse today: ${callers.join(', ')}`));
  const strangers = Map.groupBy(
    predictions.flatMap((one) => one.strangers.map((who) => ({ who, step: one.step }))),
    ({ who }) => who,
  );
  if (strangers.size === 0) return;
  out.talk('No gate waits for whom nobody knows. Would be refused, so look whether one of them is yours:');
  for (const [who, steps] of [...strangers].slice(0, strangersMax))
    out.talk(`  ${who}, from step ${steps[0]?.step ?? 1} on`);
  if (strangers.size > strangersMax) out.talk(`  and ${strangers.size - strangersMax} more: countersign report`);
}

/** No gate asks for them, but one may be a health check that nobody gave a key. */
function sayStrangers(out: Output, strangers: ShownRamp['strangers']): void {
  if (strangers.length === 0) return;
  out.line('refused by this step, and nobody known; is one of them yours?');
  const rows = strangers
    .slice(0, strangersMax)
    .map(({ caller, address, route, reason, requests, requestId }) => [
      caller === '' ? address : callerWords(caller),
      route,
      reason,
      counted(requests, 'request'),
      requestId,
    ]);
  for (const line of columns(['FROM', 'ROUTE', 'REASON', 'COUNT', 'EXAMPLE'], rows, out)) out.line(`  ${line}`);
  if (strangers.length > strangersMax) out.line(`  and ${strangers.length - strangersMax} more`);
}

/** How it goes on where it does not by itself. */
export function sayNext(out: Output, status: RampState['status']): void {
  if (status === 'paused') out.talk('Go on: countersign ramp resume. Back: countersign ramp rollback all');
  if (status === 'stopped' || status === 'withdrawn') out.talk('Take it up again: countersign ramp resume');
  if (status === 'finished') out.talk('It goes on enforcing. See it from outside: countersign probe');
}

const strangersMax = 10;
const callersShown = 10;

function spanOf(seconds: number): string {
  if (seconds < 120) return `${seconds}s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)}m` : `${Math.round(seconds / 3600)}h`;
}
