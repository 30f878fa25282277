import type { IncomingMessage, ServerResponse } from 'node:http';
import { fieldLines } from '../adapters/node/request.ts';
import { isOfProbeRun } from '../compose/probe-run.ts';
import type { Stack } from '../compose/stack.ts';
import type { Decision } from '../core/decision.ts';
import { PROBE_HEADER, PROBE_RUN_HEADER, probeName, probeRequestId } from '../core/probe.ts';
import type { AuthRequest } from '../core/request.ts';
import { answer } from './answer.ts';

/** Whether the request asks only what would become of it, by which name and of which run, or what is wrong with it. */
export type Probe = { readonly name: string; readonly run: readonly string[] } | { readonly fault: string } | null;

export function probeOf(req: IncomingMessage): Probe {
  if (req.headers[PROBE_HEADER] === undefined) return null;
  const name = probeName(fieldLines(req.rawHeaders, PROBE_HEADER));
  // Passing it on would do what its sender wanted to have judged only.
  if (name === null) return { fault: `${PROBE_HEADER} must hold one name of letters, digits and dashes` };
  return { name, run: fieldLines(req.rawHeaders, PROBE_RUN_HEADER) };
}

/**
 * The guard's refusal as it is, or 204 with what would have become of the request: allow, would_deny, public, or off where
 * nobody is asked. Never kept by a cache, which would hand it to those who asked for the thing itself. `requestOf`: the request
 * under the id by which it is recorded.
 */
export async function answerProbe(
  stack: Stack,
  req: IncomingMessage,
  res: ServerResponse,
  { name, run }: Exclude<Probe, null | { readonly fault: string }>,
  requestOf: (requestId: string) => AuthRequest,
): Promise<void> {
  const isOperator = await isOfProbeRun(stack.store.records, stack.clock(), run);
  const request = requestOf(probeRequestId(name, isOperator ? 'operator' : 'anybody'));
  const decision = await stack.guard.decide(request);
  if (res.destroyed) return;
  const { verdict } = decision;
  if (decision.outcome === 'deny' && verdict?.allowed === false)
    return answer(req, res, stack.guard.refusal(verdict, request.service), stack.devMode);
  const headers = { 'cache-control': 'no-store', [PROBE_HEADER]: outcomeOf(decision) };
  answer(req, res, { status: 204, headers, body: '' }, stack.devMode);
}

function outcomeOf({ mode, outcome }: Decision): string {
  return mode === 'off' ? 'off' : outcome;
}
