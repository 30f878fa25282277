import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, type AuthInfo } from '@modelcontextprotocol/server';
import type { Stack } from '../../compose/stack.ts';
import type { Caller } from '../caller.ts';
import { mcpServer } from './tools.ts';

export interface Visit {
  readonly caller: Caller;
  readonly clientAddress: string;
}

/** The protocol itself. */
export interface McpAnswer {
  answer(req: IncomingMessage, res: ServerResponse, message: object, visit: Visit): Promise<void>;
  close(): Promise<void>;
}

/** Stateless in both protocol eras: nothing is kept between two requests. */
export function mcpAnswer(stack: Stack): McpAnswer {
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
    async answer(req, res, message, visit) {
      const { id, scopes } = visit.caller.principal;
      const authInfo: AuthInfo = { token: '', clientId: id, scopes: [...scopes] };
      visits.set(authInfo, visit);
      await nodeHandler(Object.assign(req, { auth: authInfo }), res, message);
    },
    close: () => handler.close(),
  };
}
