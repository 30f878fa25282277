import type { IncomingMessage, ServerResponse } from 'node:http';
import { fieldLines } from '../adapters/node/request.ts';
import type { Stack } from '../compose/stack.ts';
import type { Decision } from '../core/decision.ts';
import { PROBE_HEADER, probeRequestId } from '../core/probe.ts';
import type { AuthRequest } from '../core/request.ts';
import { answer } from './answer.ts';

/** Whether the request asks only what would become of it, under which id it is recorded then, and what is wrong with it. */
export type Probe = { readonly id: string } | { readonly fault: string } | null;

export function probeOf(req: IncomingMessage): Probe {
  if (req.headers[PROBE_HEADER] === undefined) return null;
  const id = probeRequestId(fieldLines(req.rawHeaders, PROBE_HEADER));
  // Passing it on would do what its sender wanted to have judged only.
  return id === null ? { fault: `${PROBE_HEADER} must hold one name of letters, digits and dashes` } : { id };
}

/**
 * The guard's refusal as it is, or 204 with what would have become of the request: allow, would_deny, public, or off where
 * nobody is asked. Never kept by a cache, which would hand it to those who asked for the thing itself.
 */
export async function answerProbe(
  stack: Stack,
  req: IncomingMessage,
  res: ServerResponse,
  request: AuthRequest,
): Promise<void> {
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
