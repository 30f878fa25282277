import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, type AuthInfo } from '@modelcontextprotocol/server';
import type { Stack } from '../compose/stack.ts';
import { bodyJson } from './body.ts';
import { ADMIN_TOKENS, callerWith, type Caller } from './caller.ts';
import type { Exchange } from './exchange.ts';
import { mcpHostFault } from './host-check.ts';
import { mcpServer } from './mcp-tools.ts';
import { COMMON_HEADERS, DEV_HEADER, refusalReply, type Reply } from './reply.ts';
import { isRefused, refused } from './refused.ts';

export interface McpEndpoint {
  handle(exchange: Exchange): Promise<Reply | null>;
  close(): Promise<void>;
}

interface Visit {
  readonly caller: Caller;
  readonly clientAddress: string;
}

/**
 * Stateless in both protocol eras: every request proves itself, and nothing is kept between two of them. The SDK sees a
 * request only after its caller, its origin and the size of its body were judged.
 */
export function mcpEndpoint(stack: Stack): McpEndpoint {
  // The SDK hands the object on as it is, so who is asking needs no place inside it.
  const visits = new WeakMap<AuthInfo, Visit>();
  const handler = createMcpHandler(
    ({ authInfo }) => {
      const visit = authInfo && visits.get(authInfo);
      if (!visit) throw new Error('an MCP request without a caller');
      return mcpServer(stack, visit.caller, visit.clientAddress);
    },
    { legacy: 'stateless', maxSubscriptions: 16 },
  );
  const nodeHandler = toNodeHandler({
    async fetch(message, options) {
      const response = await handler.fetch(message, options);
      // The SDK says no-cache for its streams, but a token may be in this one.
      response.headers.set('cache-control', 'no-store, no-transform');
      return response;
    },
  });

  return {
    async handle(exchange) {
      const fault = mcpHostFault(exchange);
      if (fault) return refusalReply(fault);
      const asker = await callerWith(exchange, ADMIN_TOKENS);
      if (isRefused(asker)) return refusalReply(asker);
      const body = await bodyJson(exchange.req, exchange.res);
      if (!body.ok) return refusalReply(refused(body.reason, body.words));
      // Judged anew: the body may have taken its time, and whoever was revoked meanwhile calls nothing more.
      const caller = await callerWith(exchange, ADMIN_TOKENS);
      if (isRefused(caller)) return refusalReply(caller);
      // Batches left the protocol in 2025; one would put many calls behind one judgement.
      if (typeof body.value !== 'object' || body.value === null || Array.isArray(body.value))
        return refusalReply(
          refused('bad_request', 'send one JSON-RPC message; batches are not part of the protocol any more'),
        );
      const { req, res, request } = exchange;
      const authInfo: AuthInfo = { token: '', clientId: caller.principal.id, scopes: [...caller.principal.scopes] };
      visits.set(authInfo, { caller, clientAddress: request.remoteAddress });
      for (const [name, value] of Object.entries(COMMON_HEADERS)) res.setHeader(name, value);
      if (stack.devMode) res.setHeader(DEV_HEADER, 'unauthenticated');
      const untrack = caller.isAdmin ? () => {} : stack.liveness.track(caller.principal, () => res.destroy());
      res.on('close', untrack);
      await nodeHandler(Object.assign(req, { auth: authInfo }), res, body.value);
      return null;
    },
    close: () => handler.close(),
  };
}
