import { McpServer, type CallToolResult } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Actor } from '../../core/event.ts';
import { publicWords } from '../../core/refusal.ts';
import type { Stack } from '../../compose/stack.ts';
import type { Caller } from '../caller.ts';
import { keyList, modesShown, reportShown, sinceOf } from '../admin/overview.ts';
import { mint, mintSchema } from '../mint.ts';
import { activeTokens, revokeToken } from '../token-endpoints.ts';
import { isRefused, type Refused } from '../refused.ts';

/** One server for one request: what its tools may do is bound to who is asking. */
export function mcpServer(stack: Stack, caller: Caller, clientAddress: string): McpServer {
  const server = new McpServer(
    { name: 'countersign', version: stack.version },
    {
      instructions: 'Issues, lists and revokes session tokens of this stack, and shows its modes, keys and decisions.',
    },
  );
  tokenTools(server, stack, caller, clientAddress);
  readOnlyTools(server, stack);
  return server;
}

function tokenTools(server: McpServer, stack: Stack, caller: Caller, clientAddress: string): void {
  const actor: Actor = { id: caller.principal.id, via: 'mcp', from: clientAddress };
  server.registerTool(
    'create_auth_token',
    {
      title: 'Create a session token',
      description:
        'Mints a session token. It is shown once, in this answer. At most five a minute may be minted from one address.',
      inputSchema: mintSchema,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
    },
    (input) => answered(async () => mint(stack, caller, actor, input)),
  );
  server.registerTool(
    'revoke_auth_token',
    {
      title: 'Revoke a session token',
      description: 'Ends a session token at once, everywhere. Takes the token_id, not the token.',
      inputSchema: z.strictObject({
        token_id: z.uuid().describe('As create_auth_token and list_active_tokens show it.'),
      }),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
    },
    ({ token_id }) => answered(async () => revokeToken(stack, token_id, actor)),
  );
  server.registerTool(
    'list_active_tokens',
    {
      title: 'List active session tokens',
      description: 'Session tokens that are neither expired nor revoked, newest first; never the tokens themselves.',
      inputSchema: z.strictObject({}),
      annotations: { readOnlyHint: true },
    },
    () => answered(async () => activeTokens(stack)),
  );
}

function readOnlyTools(server: McpServer, stack: Stack): void {
  server.registerTool(
    'auth_report',
    {
      title: 'Report on decisions',
      description:
        'What was allowed, denied or would have been denied, in total and by service, route, caller and reason.',
      inputSchema: z.strictObject({
        since: z
          .string()
          .max(16)
          .optional()
          .describe('How far back: a number and s, m, h or d, for example 90m or 7d. Default 1h.'),
      }),
      annotations: { readOnlyHint: true },
    },
    ({ since }) =>
      answered(async () => {
        const span = sinceOf(stack, since);
        if (isRefused(span)) return span;
        return reportShown(stack, span);
      }),
  );
  server.registerTool(
    'get_modes',
    {
      title: 'Show modes',
      description:
        'The mode (off, report, enforce) of the stack, its services and routes, where each was set, and which routes in report a ramp enforces.',
      inputSchema: z.strictObject({}),
      annotations: { readOnlyHint: true },
    },
    () => answered(async () => modesShown(stack)),
  );
  server.registerTool(
    'list_keys',
    {
      title: 'List keys',
      description:
        'Keys in the store: id, service, kind, last four characters, life, where each stands in a rotation (current, pending, previous) and who used it last from where; never the keys themselves.',
      inputSchema: z.strictObject({}),
      annotations: { readOnlyHint: true },
    },
    () => answered(async () => ({ keys: await keyList(stack) })),
  );
}

/** A refusal is a result that an agent can read and act on; an outage is one as well, without its inner message. */
async function answered(work: () => Promise<object | Refused>): Promise<CallToolResult> {
  let value: object | Refused;
  try {
    value = await work();
  } catch {
    return failed({
      error: 'Authentication unavailable: the store does not answer, try again in a moment',
      reason: 'unavailable',
    });
  }
  if (isRefused(value)) {
    const { denied, detail } = value;
    const words = publicWords(denied);
    return failed({
      error: detail === null ? words : `${words}: ${detail}`,
      reason: denied.reason,
      ...(denied.retryAfter === null ? {} : { retry_after_seconds: Math.max(1, Math.ceil(denied.retryAfter)) }),
    });
  }
  return { content: [{ type: 'text', text: JSON.stringify(value) }], structuredContent: { ...value } };
}

function failed(error: { error: string; reason: string; retry_after_seconds?: number }): CallToolResult {
  return { isError: true, content: [{ type: 'text', text: JSON.stringify(error) }], structuredContent: { ...error } };
}
