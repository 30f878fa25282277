import { existsSync } from 'node:fs';
import { askedRoutes, type AskedRoutes } from '../../../audit/report/asked-routes.ts';
import { knownCallers, type Acquaintance } from '../../../compose/ramps/known-callers.ts';
import { rampGround, rampPlan } from '../../../compose/ramps/ramp-file.ts';
import { shownRamp, startFault, startRamp } from '../../../compose/ramps/ramp-control.ts';
import { predictedRefusals } from '../../../compose/ramps/predicted-refusals.ts';
import { proposedRamp } from '../../../compose/ramps/ramp-proposal.ts';
import { systemClock } from '../../../core/clock.ts';
import { unreadableWords } from '../../../core/rollup.ts';
import type { RampPlan } from '../../../rollout/ramp/plan.ts';
import { rampDocument } from '../../../rollout/ramp/document.ts';
import { commandActor } from '../../command-actor.ts';
import type { Invocation } from '../../command.ts';
import { durationSeconds } from '../../duration.ts';
import { EXIT, refused } from '../../failure.ts';
import { keyHolders } from '../../key-holders.ts';
import { keepBefore, replaceFile } from '../../replace-file.ts';
import { atWork, type Workplace } from '../../workplace.ts';
import { routesInReport, withModes } from '../mode/mode.ts';
import { isOverruled } from '../../in-force.ts';
import { orThrow } from './orders.ts';
import { sayPredictions, sayRamp, saySteps } from './words.ts';
import { shellWord } from '../../../core/text/shell-word.ts';

/** Proposes a plan from what was recorded. One that is there may have been edited since: --force keeps a copy of it. */
export async function rampPropose(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const since = durationSeconds(invocation.text('since') ?? '24h', 'since');
  const file = invocation.text('out');
  if (file !== null && existsSync(file) && !invocation.flag('force'))
    throw refused(`${file} exists already and was left alone`, 'Write over it with --force, or name another file.');
  return atWork(invocation, async (place) => {
    const now = systemClock();
    const found = await askedRoutes(place.store, { since: now - since, until: now + 1 });
    sayUnreadable(found, invocation);
    const routes = await routesInReport(place, invocation);
    if (routes.length === 0) throw refused('every route is enforced already, or off', 'See: countersign mode get');
    const plan = proposedRamp(routes, found, knownCallers(await acquaintance(place), 'count'));
    const backup = file !== null && existsSync(file) ? keepBefore('ramp-plan', file) : null;
    if (file !== null) replaceFile(file, plan, 0o600);
    if (invocation.json) out.json(file === null ? { plan } : { file, backup });
    else if (file === null) out.line(plan.trimEnd());
    else {
      out.talk(`written to ${file}: look at it, then run: countersign ramp start ${shellWord(file)}`);
      if (backup !== null) out.talk(`what was there before is ${backup}`);
    }
    return EXIT.done;
  });
}

export async function rampStart(invocation: Invocation): Promise<number> {
  const { out, dryRun, positionals } = invocation;
  const [file = ''] = positionals;
  if (!existsSync(file))
    throw refused(`there is no plan at ${file}`, 'Make one: countersign ramp plan --out ramp.yaml');
  return atWork(invocation, async (place) => {
    const { config, store } = place;
    const now = systemClock();
    const parts = { config, store, clock: systemClock };
    const fault = await startFault(parts);
    if (fault) throw refused(fault.message, fault.hint);
    const plan = rampPlan(file, rampGround(config, now));
    const inReport = await routesInReport(place, invocation);
    const predictions = await predicted(place, plan, now, invocation);
    const by = commandActor(invocation.env).id;
    const kept = dryRun
      ? []
      : await withModes(
          place,
          invocation,
          async (modes) => (await orThrow(startRamp({ ...parts, modes }, plan, by))).kept,
        );
    for (const scope of kept) await place.record({ type: 'mode.set', subject: scope, detail: { mode: 'enforce' } });
    if (!dryRun) await place.record({ type: 'ramp.started', subject: plan.name, detail: { steps: plan.steps.length } });
    if (invocation.json) {
      out.json({ name: plan.name, steps: plan.steps, predicted: predictions, kept, dry_run: dryRun });
      return EXIT.done;
    }
    saySteps(out, plan, null);
    sayPredictions(out, predictions);
    if (kept.length > 0) out.talk(`What the ramp before enforced stays enforced: ${kept.join(', ')}`);
    if (inReport.length === 0) out.warn('no route is in mode report, so there is nothing that it could enforce');
    out.talk(dryRun ? 'Nothing was changed.' : 'It goes on by itself while a server runs: countersign ramp status');
    return EXIT.done;
  });
}

/** Exit 1 where a step was rolled back or the ramp stands still. */
export async function rampStatus(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  return atWork(invocation, async (place) => {
    const { config, store } = place;
    const known = await acquaintance(place);
    const [shown, overruled] = await withModes(place, invocation, async (modes) => {
      const found = await shownRamp({ ...known, config, modes, store, clock: systemClock });
      return [found, found !== null && isOverruled({ config, modes, state: found.state })] as const;
    });
    if (!shown) {
      if (invocation.json) out.json(null);
      else out.talk('There is no ramp. Make a plan: countersign ramp plan --out ramp.yaml');
      return EXIT.done;
    }
    const { state } = shown;
    if (invocation.json) out.json(rampDocument(state, shown));
    else {
      sayRamp(out, shown, systemClock());
      if (overruled)
        out.warn(
          'none of it is in force: modes that were set by hand since count before it (countersign mode get); end them with: countersign mode reset --all',
        );
    }
    return state.status === 'running' || state.status === 'finished' ? EXIT.done : EXIT.refused;
  });
}

async function acquaintance({ config, store }: Pick<Workplace, 'config' | 'store'>): Promise<Acquaintance> {
  const names = await keyHolders(config, store);
  return { config, hasKey: (name) => names.has(name) };
}

/** By what was recorded in the last day. */
async function predicted(place: Workplace, plan: RampPlan, now: number, invocation: Invocation) {
  const found = await askedRoutes(place.store, { since: now - 86_400, until: now + 1 });
  sayUnreadable(found, invocation);
  return predictedRefusals(plan, found.refusals, knownCallers(await acquaintance(place), plan.gates.claims), now);
}

function sayUnreadable({ unreadable }: AskedRoutes, { out }: Invocation): void {
  if (unreadable > 0) out.talk(`warning: ${unreadableWords(unreadable)}`);
}
