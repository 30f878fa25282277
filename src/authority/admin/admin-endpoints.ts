import { z } from 'zod';
import type { Act } from '../../core/event.ts';
import { MODES } from '../../core/mode.ts';
import { hasCode } from '../../core/store.ts';
import type { Stack } from '../../compose/stack.ts';
import { bodyJson } from '../body.ts';
import { actorOf } from '../actor.ts';
import type { Caller } from '../caller.ts';
import { checkList } from './check-list.ts';
import { decisionList } from './decision-list.ts';
import { eventList } from './event-list.ts';
import type { Exchange } from '../exchange.ts';
import { learnedRoutes } from './learned-routes.ts';
import { keyOrders } from './key-orders.ts';
import { modesShown, reportShown, serviceList, sinceOf } from './overview.ts';
import { mint, mintInput } from '../mint.ts';
import { guards } from './guards.ts';
import { needFault, type OperatorCaller } from '../login/operator-caller.ts';
import type { Operators } from '../login/operators.ts';
import { storeProbe, type StoreStanding } from '../probe-endpoints.ts';
import { rampEndpoints } from './ramp-endpoints.ts';
import { readBody } from '../read-body.ts';
import type { Endpoints } from '../router.ts';
import { reasonSchema } from '../shape.ts';
import { activeTokens, revokeToken, soughtIn } from '../token-endpoints.ts';
import { traffic } from './traffic.ts';
import { isRefused, refused, type Refused } from '../refused.ts';

/** The operators' API, below /admin/api: on adminListen and adminHosts only, for the admin token and operators' sessions. */
export function adminEndpoints(stack: Stack, operators: Operators): Endpoints {
  const storeStands = storeProbe(stack);
  const startedAt = stack.clock();
  const { shown, act, confirmed } = guards(operators);
  return {
    '/admin/api/status': { GET: shown(() => status(stack, startedAt, storeStands)) },
    '/admin/api/services': { GET: shown(async () => ({ services: serviceList(stack) })) },
    '/admin/api/traffic': { GET: shown(traffic) },
    '/admin/api/tokens': {
      GET: shown((exchange) => activeTokens(stack, soughtIn(exchange))),
      POST: confirmed((exchange, _, caller) => newToken(exchange, caller, operators.sessions), 201),
    },
    '/admin/api/tokens/:token_id': { DELETE: act(deadToken) },
    '/admin/api/modes': { GET: shown(async () => modesShown(stack)), PUT: act(setMode) },
    // What is found says how one gets in: it is not for everybody who may look.
    '/admin/api/checks': { GET: act(checkList) },
    '/admin/api/learn': { GET: shown(learnedRoutes()) },
    '/admin/api/report': { GET: shown(reportOf) },
    '/admin/api/decisions': { GET: shown(decisionList) },
    '/admin/api/events': { GET: shown(eventList) },
    ...keyOrders({ shown, act, confirmed }),
    ...rampEndpoints({ shown, act, confirmed }),
  };
}

async function status(stack: Stack, startedAt: number, storeStands: () => Promise<StoreStanding>) {
  const { config, keyring, audit } = stack;
  return {
    name: config.name,
    version: stack.version,
    uptime_seconds: Math.max(0, Math.floor(stack.clock() - startedAt)),
    store: stack.store.kind,
    store_up: (await storeStands()) === 'answers' && !audit.waiting,
    dev_mode: stack.devMode,
    services: config.services.length,
    keys: keyring.size,
    decisions_dropped: audit.dropped,
    warnings: [...keyring.warnings],
  };
}

async function reportOf({ stack, query }: Exchange): Promise<object | Refused> {
  const span = sinceOf(stack, query.get('since') ?? undefined);
  if (isRefused(span)) return span;
  return reportShown(stack, span);
}

const modeSchema = z.strictObject({
  mode: z.enum([...MODES, 'inherit'], { error: 'must be off, report, enforce or inherit' }),
  scope: z.string({ error: 'must be "", a service or service/path' }).max(512).optional(),
  all: z.boolean({ error: 'must be true or false' }).optional(),
  reason: reasonSchema,
});

/** `inherit` takes back what was set at run time; `all` clears every level and sets the stack. */
async function setMode(exchange: Exchange, _: string, caller: OperatorCaller): Promise<object | Refused> {
  const { stack } = exchange;
  const body = await readBody(exchange, modeSchema);
  if (isRefused(body)) return body;
  const { mode, scope = '', all = false } = body;
  if (all && scope !== '') return refused('bad_request', 'give either scope or all');
  const fault = mode === 'enforce' ? null : needFault(caller, 'confirmed', stack.clock());
  if (fault) return fault;
  try {
    if (mode === 'inherit') await stack.modes.clear(all ? null : scope);
    else if (all) await stack.modes.setAll(mode, caller.principal.id);
    else await stack.modes.set(scope, mode, caller.principal.id);
  } catch (error) {
    if (error instanceof Error && hasCode(error, 'unknown_scope')) return refused('not_found', error.message);
    throw error;
  }
  const subject = all ? '*' : scope;
  const reason = body.reason ?? null;
  const act: Act =
    mode === 'inherit'
      ? { type: 'mode.reset', subject, reason }
      : { type: 'mode.set', subject, reason, detail: { mode } };
  await stack.trail.record(act, actorOf(exchange, caller));
  return modesShown(stack);
}

async function newToken(
  exchange: Exchange,
  caller: OperatorCaller,
  sessions: Operators['sessions'],
): Promise<object | Refused> {
  const body = await bodyJson(exchange.req, exchange.res);
  if (!body.ok) return refused(body.reason, body.words);
  const input = mintInput(body.value);
  if (isRefused(input)) return input;
  const actor = actorOf(exchange, caller);
  const minted = await mint(exchange.stack, caller, actor, input);
  if (isRefused(minted) || caller.session === null || (await sessions.peek(caller.session.token))) return minted;
  // Whoever shut the account meanwhile ended its tokens without seeing this one.
  await revokeToken(exchange.stack, minted.token_id, actor);
  return refused('missing_credentials', 'log in first');
}

async function deadToken(exchange: Exchange, id: string, caller: Caller): Promise<object | Refused> {
  return revokeToken(exchange.stack, id, actorOf(exchange, caller));
}
