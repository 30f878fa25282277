import { z } from 'zod';
import { askedRoutes } from '../../audit/report/asked-routes.ts';
import { hasKeyIn, knownCallers, type Acquaintance } from '../../compose/ramps/known-callers.ts';
import { ConfigError } from '../../compose/load/load.ts';
import {
  orderRamp,
  rampEvents,
  RampRefused,
  shownRamp,
  startRamp,
  type RampOrder,
} from '../../compose/ramps/ramp-control.ts';
import { parseRampPlan, rampGround } from '../../compose/ramps/ramp-file.ts';
import { proposedRamp } from '../../compose/ramps/ramp-proposal.ts';
import { routeModes } from '../../compose/ramps/route-modes.ts';
import type { Stack } from '../../compose/stack.ts';
import { rampDocument } from '../../rollout/ramp/document.ts';
import { actorOf } from '../actor.ts';
import type { Exchange, Handler } from '../exchange.ts';
import type { Guards } from './guards.ts';
import type { OperatorCaller } from '../login/operator-caller.ts';
import { sinceOf } from './overview.ts';
import { readBody } from '../read-body.ts';
import { isRefused, refused, type Refused } from '../refused.ts';
import type { Endpoints } from '../router.ts';
import { reasonSchema } from '../shape.ts';

export function rampEndpoints({ shown, act, confirmed }: Guards): Endpoints {
  const ordered = (order: RampOrder): { POST: Handler } => ({
    POST: act((exchange, _, caller) => orderOf(exchange, caller, order)),
  });
  return {
    '/admin/api/ramp': { GET: shown(({ stack }) => rampOf(stack)), POST: confirmed(startOf, 201) },
    '/admin/api/ramp/proposal': { GET: shown(proposalOf) },
    '/admin/api/ramp/promote': ordered('promote'),
    '/admin/api/ramp/pause': ordered('pause'),
    '/admin/api/ramp/resume': ordered('resume'),
    '/admin/api/ramp/rollback': ordered('rollback'),
  };
}

function acquaintance({ config, keyring }: Stack): Acquaintance {
  return { config, hasKey: hasKeyIn(keyring) };
}

async function rampOf(stack: Stack): Promise<object> {
  const { config, modes, store, clock } = stack;
  const found = await shownRamp({ ...acquaintance(stack), config, modes, store, clock });
  if (!found) return { ramp: null };
  return { ramp: rampDocument(found.state, found) };
}

async function proposalOf({ stack, query }: Exchange): Promise<object | Refused> {
  const span = sinceOf(stack, query.get('since') ?? '24h');
  if (isRefused(span)) return span;
  await stack.audit.flush();
  const routes = routeModes(stack.config, stack.modes).filter(({ mode }) => mode === 'report');
  if (routes.length === 0) return refused('not_found', 'no route is in mode report');
  const knows = knownCallers(acquaintance(stack), 'count');
  return { plan: proposedRamp(routes, await askedRoutes(stack.store, span), knows) };
}

const startSchema = z.strictObject({
  plan: z.string({ error: 'must be a plan as YAML' }).max(60_000),
  reason: reasonSchema,
});
const stepSchema = z.int({ error: 'must be a number from 1' }).min(1).max(100);
const orderSchema = z.strictObject({ reason: reasonSchema });
const promoteSchema = z.strictObject({ reason: reasonSchema, step: stepSchema.optional() });
const rollbackSchema = z.strictObject({
  reason: reasonSchema,
  step: z.union([stepSchema, z.literal('all')], { error: 'must be a number from 1, or "all"' }).optional(),
});
const orderSchemas = { promote: promoteSchema, pause: orderSchema, resume: orderSchema, rollback: rollbackSchema };

async function startOf(exchange: Exchange, _: string, caller: OperatorCaller): Promise<object | Refused> {
  const { stack } = exchange;
  const body = await readBody(exchange, startSchema);
  if (isRefused(body)) return body;
  const { config, store, clock, modes, trail } = stack;
  return orRefused(async () => {
    const plan = parseRampPlan(body.plan, 'plan', rampGround(config, clock()));
    const actor = actorOf(exchange, caller);
    const { kept } = await startRamp({ config, store, clock, modes }, plan, actor.id);
    for (const scope of kept)
      await trail.record({ type: 'mode.set', subject: scope, detail: { mode: 'enforce' } }, actor);
    const detail = { steps: plan.steps.length };
    await trail.record({ type: 'ramp.started', subject: plan.name, detail, reason: body.reason ?? null }, actor);
    return { ...(await rampOf(stack)), kept };
  });
}

async function orderOf(exchange: Exchange, caller: OperatorCaller, order: RampOrder): Promise<object | Refused> {
  const { stack } = exchange;
  const body: z.infer<typeof rollbackSchema> | Refused = await readBody(exchange, orderSchemas[order]);
  if (isRefused(body)) return body;
  const why = body.reason ?? null;
  const step = body.step === undefined ? {} : { step: body.step };
  return orRefused(async () => {
    const { state, detail } = await orderRamp(stack, order, { why, ...step });
    await stack.trail.record(
      { type: rampEvents[order], subject: state.plan.name, detail, reason: why },
      actorOf(exchange, caller),
    );
    return rampOf(stack);
  });
}

async function orRefused(work: () => Promise<object>): Promise<object | Refused> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RampRefused) return refused('bad_request', `${error.message}. ${error.hint}`);
    if (error instanceof ConfigError) return refused('bad_request', error.format());
    throw error;
  }
}
