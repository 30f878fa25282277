import { report } from '../../audit/report.ts';
import { knownCallers, type Acquaintance } from '../../compose/known-callers.ts';
import { rampGround, rampPlan } from '../../compose/ramp-file.ts';
import { judgementOf } from '../../compose/ramp-judgement.ts';
import { proposedRamp } from '../../compose/ramp-proposal.ts';
import { systemClock } from '../../core/clock.ts';
import { randomBase62 } from '../../crypto/random.ts';
import { meansRoute, routeName, type RampPlan } from '../../rollout/ramp/plan.ts';
import { changeRamp, storedRamp } from '../../rollout/ramp/record.ts';
import { settledScopes } from '../../rollout/ramp/settle.ts';
import { started, type Culprit } from '../../rollout/ramp/state.ts';
import { commandActor } from '../command-actor.ts';
import type { Invocation } from '../command.ts';
import { durationSeconds } from '../duration.ts';
import { EXIT, refused } from '../failure.ts';
import { replaceFile } from '../replace-file.ts';
import { atWork, type Workplace } from '../workplace.ts';
import { withModes } from './mode.ts';
import { rampDocument, sayRamp, saySteps } from './ramp-words.ts';

/** Proposes a plan from what was recorded. */
export async function rampPropose(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  const since = durationSeconds(invocation.text('since') ?? '24h', 'since');
  const file = invocation.text('out');
  return atWork(invocation, async (place) => {
    const now = systemClock();
    const found = await report(place.store, { since: now - since, until: now + 1 });
    const routes = await routesInReport(place, invocation);
    if (routes.length === 0) throw refused('every route is enforced already, or off', 'See: countersign mode get');
    const plan = proposedRamp(routes, found, knownCallers(await acquaintance(place), 'count'));
    if (file === null) out.line(plan.trimEnd());
    else {
      replaceFile(file, plan, 0o600);
      out.talk(`written to ${file}: look at it, then run: countersign ramp start ${file}`);
    }
    return EXIT.done;
  });
}

export async function rampStart(invocation: Invocation): Promise<number> {
  const { out, dryRun, positionals } = invocation;
  const [file = ''] = positionals;
  return atWork(invocation, async (place) => {
    const { config, store } = place;
    const now = systemClock();
    if (!config.audit.rows)
      throw refused(
        'decisions are not kept in the store (audit.rows is false), so no gate could tell anything',
        'Write rows: true below audit:, or leave it out.',
      );
    const plan = rampPlan(file, rampGround(config, now));
    const before = await storedRamp(store.records, now);
    if (before && !['finished', 'withdrawn'].includes(before.status))
      throw refused(
        `the ramp "${before.plan.name}" is ${before.status}`,
        'End it first: countersign ramp rollback all, or go on with it: countersign ramp resume',
      );
    const inReport = await routesInReport(place, invocation);
    const predictions = await predicted(place, plan, now);
    if (!dryRun) {
      await settle(place, invocation);
      const by = commandActor(invocation.env).id;
      const state = started(plan, randomBase62(16), by, now);
      const stored = await changeRamp(store.records, systemClock, (current) =>
        (current?.orderedAt ?? null) === (before?.orderedAt ?? null) ? state : null,
      );
      if (!stored) throw refused('somebody else changed the ramp at the same moment', 'See: countersign ramp status');
      await place.record({ type: 'ramp.started', subject: plan.name, detail: { steps: plan.steps.length } });
    }
    const document = { name: plan.name, steps: plan.steps, predicted: predictions, dry_run: dryRun };
    if (invocation.json) out.json(document);
    else {
      saySteps(out, plan, null);
      for (const { callers, step } of predictions)
        out.talk(out.paintTalk('yellow', `step ${step} would refuse today: ${callers.join(', ')}`));
      const idle = inReport.length === 0;
      if (idle) out.warn('no route is in mode report, so there is nothing that it could enforce');
      out.talk(dryRun ? 'Nothing was changed.' : 'It goes on by itself while a server runs: countersign ramp status');
    }
    return EXIT.done;
  });
}

/** Exit 1 where a step was rolled back or the ramp stands still. */
export async function rampStatus(invocation: Invocation): Promise<number> {
  const { out } = invocation;
  return atWork(invocation, async (place) => {
    const now = systemClock();
    const state = await storedRamp(place.store.records, now);
    if (!state) {
      if (invocation.json) out.json(null);
      else out.talk('There is no ramp. Make a plan: countersign ramp plan --out ramp.yaml');
      return EXIT.done;
    }
    const judgement =
      state.status === 'finished' || state.status === 'withdrawn'
        ? null
        : await judgementOf({ ...(await acquaintance(place)), store: place.store }, state, now);
    const culprits = distinct([...state.culprits, ...(judgement?.culprits ?? [])]);
    if (invocation.json) out.json(rampDocument(state, culprits));
    else sayRamp(out, state, culprits, judgement?.findings ?? [], now);
    return state.status === 'running' || state.status === 'finished' ? EXIT.done : EXIT.refused;
  });
}

function distinct(culprits: readonly Culprit[]): Culprit[] {
  return [...new Map(culprits.map((one) => [`${one.caller} ${one.route} ${one.reason}`, one])).values()];
}

async function acquaintance({ config, store }: Pick<Workplace, 'config' | 'store'>): Promise<Acquaintance> {
  const names = new Set<string>();
  for await (const page of store.keys.pages()) for (const { service } of page) names.add(service);
  return { config, hasKey: (name) => names.has(name) };
}

/** Rules, and what has none, that are judged and not enforced. */
function routesInReport(place: Workplace, invocation: Invocation) {
  const { config } = place;
  return withModes(place, invocation, async (levels) =>
    rampGround(config, 0).routes.filter(({ service, label }) => {
      const rule = config.services.find(({ name }) => name === service)?.rules.find(({ path }) => path === label);
      return levels.modeOf(service, label, rule?.mode ?? null) === 'report';
    }),
  );
}

/** Known callers who would be refused by each step, by what was recorded in the last day. */
async function predicted(place: Workplace, plan: RampPlan, now: number) {
  const { would_deny_groups: refusals } = await report(place.store, { since: now - 86_400, until: now + 1 });
  const knows = knownCallers(await acquaintance(place), plan.gates.claims);
  return plan.steps.flatMap(({ routes }, index) => {
    const meant = refusals.filter(({ caller, service, route }) => knows(caller) && meansRoute(routes, service, route));
    const callers = [
      ...new Set(meant.map((one) => `${one.caller} at ${routeName(one.service, one.route)} (${one.reason})`)),
    ];
    return callers.length === 0 ? [] : [{ step: index + 1, callers }];
  });
}

/** What the ramp before enforces for everybody stays, as modes set at run time. */
async function settle(place: Workplace, invocation: Invocation): Promise<void> {
  const { config, store } = place;
  const state = await storedRamp(store.records, systemClock());
  if (state?.status !== 'finished') return;
  const { scopes, unsaid } = settledScopes(state, rampGround(config, 0).routes);
  if (unsaid.length > 0)
    throw refused(
      `the ramp "${state.plan.name}" enforces what has no rule at ${unsaid.join(', ')}, and not every rule there: no mode says that`,
      `Write mode: enforce below the service and mode: report below the other rules, then: countersign ramp rollback all`,
    );
  await withModes(place, invocation, async (levels) => {
    for (const scope of scopes) await levels.set(scope, 'enforce', `ramp ${state.plan.name}`);
  });
  for (const scope of scopes) await place.record({ type: 'mode.set', subject: scope, detail: { mode: 'enforce' } });
  invocation.out.talk(`What "${state.plan.name}" enforced stays enforced: ${scopes.join(', ')}`);
}
