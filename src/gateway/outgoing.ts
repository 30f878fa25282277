import type { UpstreamSpan } from '../compose/wiring/tracing.ts';
import type { Decision } from '../core/decision.ts';
import { hasBody } from '../adapters/node/request-shape.ts';
import type { ExchangeOptions } from './exchange-options.ts';
import { upstreamHeaders } from './headers/request-headers.ts';
import { lentHost } from './lent-host.ts';
import { judgedBody, judgedHead, type RulesInForce } from './mcp/judged.ts';
import type { UpstreamRequest } from './upstream/connection.ts';
import { requestHead } from './upstream/request-head.ts';

/** What is known of a request that may pass. */
export interface Passing {
  readonly decision: Decision;
  /** The body, where it was read to be judged. */
  readonly held: Buffer | null;
  /** The upstream's own key; null where it gets none. */
  readonly key: string | null;
  readonly inForce: RulesInForce | null;
}

/** A request as the upstream receives it, and the span that was made for it. */
export interface Outgoing {
  readonly sent: UpstreamRequest;
  readonly span: UpstreamSpan | null;
}

/** Null where the MCP session is not the caller's. Throws a TypeError for what cannot stand in a header. */
export function outgoing(options: ExchangeOptions, { decision, held, key, inForce }: Passing): Outgoing | null {
  const { context, req, request, service, upstream, target, upgrade } = options;
  const passed = upstreamHeaders(req, request, service, decision, key);
  const judged = judgedHead(passed, target, inForce);
  if (judged === null) return null;
  const span = context.stack.tracing?.upstream(request, upstream.host, judged.lines) ?? null;
  try {
    const sent = requestHead({
      method: request.method,
      target: judged.target,
      host: lentHost(options, decision),
      lines: judged.lines,
      body: judgedBody(held, inForce) ?? (hasBody(req) ? req : null),
      upgrade: upgrade === null ? null : 'websocket',
    });
    return { sent, span };
  } catch (error) {
    span?.end();
    throw error;
  }
}
