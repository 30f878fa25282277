import type { Stack } from '../../compose/stack.ts';
import { bodyJson } from '../body.ts';
import { ADMIN_TOKENS, callerWith } from '../caller.ts';
import type { Exchange } from '../exchange.ts';
import { mcpHostFault } from '../host-check.ts';
import type { McpAnswer } from './answer.ts';
import { COMMON_HEADERS, DEV_HEADER, refusalReply, type Reply } from '../reply.ts';
import { isRefused, refused } from '../refused.ts';

export interface McpEndpoint {
  handle(exchange: Exchange): Promise<Reply | null>;
  close(): Promise<void>;
}

/**
 * Every request proves itself. The SDK sees one only after its caller, its origin and the size of its body were judged, and is
 * loaded for the first of them: it would be a fifth of every server's start, and most are never asked.
 */
export function mcpEndpoint(stack: Stack): McpEndpoint {
  let loaded: Promise<McpAnswer> | null = null;
  const load = async (): Promise<McpAnswer> => (await import('./answer.ts')).mcpAnswer(stack);

  return {
    async handle(exchange) {
      const fault = mcpHostFault(exchange);
      if (fault) return refusalReply(fault);
      const asker = await callerWith(exchange, ADMIN_TOKENS);
      if (isRefused(asker)) return refusalReply(asker);
      const body = await bodyJson(exchange.req, exchange.res);
      if (!body.ok) return refusalReply(refused(body.reason, body.words));
      const { answer } = await (loaded ??= load());
      // Judged anew: the body may have taken its time, and whoever was revoked meanwhile calls nothing more.
      const caller = await callerWith(exchange, ADMIN_TOKENS);
      if (isRefused(caller)) return refusalReply(caller);
      // Batches left the protocol in 2025; one would put many calls behind one judgement.
      if (typeof body.value !== 'object' || body.value === null || Array.isArray(body.value))
        return refusalReply(
          refused('bad_request', 'send one JSON-RPC message; batches are not part of the protocol any more'),
        );
      const { req, res, request } = exchange;
      for (const [name, value] of Object.entries(COMMON_HEADERS)) res.setHeader(name, value);
      if (stack.devMode) res.setHeader(DEV_HEADER, 'unauthenticated');
      const untrack = caller.isAdmin ? () => {} : stack.liveness.track(caller.principal, () => res.destroy());
      res.on('close', untrack);
      await answer(req, res, body.value, { caller, clientAddress: request.remoteAddress });
      return null;
    },
    close: async () => (await loaded)?.close(),
  };
}
