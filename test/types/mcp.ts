/** What a user's code looks like under strict rules, with either major version of the SDK; it need only compile. */
import { createServer } from 'node:http';
import { requireBearerAuth as requireBearerAuthV2 } from '@modelcontextprotocol/express';
import { toNodeHandler } from '@modelcontextprotocol/node';
import * as errors from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth as requireBearerAuthV1 } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import type { AuthInfo as AuthInfoV1 } from '@modelcontextprotocol/sdk/server/auth/types.js';
import type { OAuthTokenVerifier as VerifierV1 } from '@modelcontextprotocol/sdk/server/auth/provider.js';
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  createMcpHandler,
  McpServer,
  requireBearerAuth as requireBearerAuthWeb,
  type AuthInfo as AuthInfoV2,
  type OAuthTokenVerifier as VerifierV2,
} from '@modelcontextprotocol/server';
import express from 'express';
import { z } from 'zod';
import {
  principalOf,
  principalSessions,
  protect,
  requireScopes,
  sessionNotFound,
  tokenVerifier,
  toolScopes,
  type Principal,
} from '../../src/adapters/mcp/index.ts';

/** Holds for the very same type only, so `any` satisfies it nowhere. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <T extends true>(): T | undefined => undefined;

const own = { service: 'tools', keys: [{ files: '/run/secrets/*_api_key' }] } as const;
const scopes = toolScopes({ echo: ['tools:read'], wipe: ['tools:write'] });

export async function secondVersion(): Promise<void> {
  const guard = await protect({ ...own, routes: [{ path: '/mcp', callers: ['agent'] }], mode: 'report' });
  const server = new McpServer({ name: 'tools', version: '1.0.0' });
  server.registerTool(
    'echo',
    { inputSchema: z.object({ text: z.string() }) },
    scopes.guard('echo', async ({ text }, ctx) => {
      same<Same<typeof text, string>>();
      const principal = principalOf(ctx.http?.authInfo);
      same<Same<typeof principal, Principal | null>>();
      return { content: [{ type: 'text', text: `${principal?.id} says ${text}` }] };
    }),
  );
  server.registerTool(
    'wipe',
    {},
    // @ts-expect-error toolScopes was told of no such tool
    scopes.guard('wipes', () => ({ content: [] })),
  );
  const handler = toNodeHandler(createMcpHandler(() => server));
  createServer((req, res) => void guard(req, res, () => void handler(req, res)));
  express().use('/mcp', guard, handler);

  const verifier = await tokenVerifier({ service: 'tools', config: 'countersign.yaml', path: '/mcp' });
  const asTheirs: VerifierV2 = verifier;
  const authInfo: AuthInfoV2 = await asTheirs.verifyAccessToken('token');
  requireScopes(authInfo, ['tools:read']);
  const { expiresAt, extra } = await verifier.verifyAccessToken('token');
  same<Same<typeof expiresAt, number>>();
  same<Same<typeof extra.principal, Principal>>();
  express().all('/mcp', requireBearerAuthV2({ verifier, requiredScopes: ['mcp'] }), verifier.watch, handler);
  requireBearerAuthWeb({ verifier });
  await guard.close();
}

export async function firstVersion(): Promise<void> {
  const guard = await protect(own);
  const server = new McpServerV1({ name: 'tools', version: '1.0.0' });
  server.registerTool(
    'echo',
    { inputSchema: { text: z.string() } },
    scopes.guard('echo', ({ text }, extra) => {
      same<Same<typeof text, string>>();
      same<Same<typeof extra.authInfo, AuthInfoV1 | undefined>>();
      return { content: [{ type: 'text', text: `${principalOf(extra.authInfo)?.id} says ${text}` }] };
    }),
  );
  server.registerTool(
    'wipe',
    { inputSchema: {} },
    scopes.guard('wipe', (_args, extra) => ({ content: [{ type: 'text', text: extra.sessionId ?? '' }] })),
  );
  const sessions = principalSessions<StreamableHTTPServerTransport>();
  express()
    .use(guard)
    .all('/mcp', (req, res) => {
      const found = sessions.find(req.headers['mcp-session-id'], req.auth);
      same<Same<typeof found, StreamableHTTPServerTransport | null>>();
      if (found) void found.handleRequest(req, res, req.body);
      else res.status(sessionNotFound.status).json(sessionNotFound.body);
    });

  const verifier = await tokenVerifier({ ...own, errors });
  const asTheirs: VerifierV1 = verifier;
  express().all('/mcp', requireBearerAuthV1({ verifier: asTheirs }), verifier.watch);
  await guard.close();
}
