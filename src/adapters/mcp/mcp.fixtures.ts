/** MCP servers of both major versions of the official SDK, guarded in every way that `countersign/mcp` offers. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client';
import { requireBearerAuth as bearerV2 } from '@modelcontextprotocol/express';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as errors from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth as bearerV1 } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { McpServer as McpServerV1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  createMcpHandler,
  McpServer as McpServerV2,
  requireBearerAuth as webBearer,
} from '@modelcontextprotocol/server';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { z } from 'zod';
import type {
  OwnService,
  Protection,
  ProtectionSettings,
  ProtectOptions,
} from '../../compose/protection/protection.ts';
import type { Stack } from '../../compose/stack.ts';
import { createKey } from '../../keys/create.ts';
import { memoryStore } from '../../stores/memory/store.ts';
import { principalOf, protect, tokenVerifier, toolScopes, type AnyAuthInfo, type McpRequest } from './index.ts';

export const scopes = toolScopes({ whoami: [], wipe: ['tools:write'] });

/** What the tool `whoami` says of its caller. */
export interface Seen {
  readonly clientId?: string;
  readonly scopes?: readonly string[];
  readonly expiresAt?: number;
  readonly token?: string;
  readonly principal: string | null;
}

function whoami(authInfo: (AnyAuthInfo & { readonly expiresAt?: number; readonly token: string }) | undefined) {
  const { clientId, scopes: held, expiresAt, token } = authInfo ?? {};
  const seen = { clientId, scopes: held, expiresAt, token, principal: principalOf(authInfo)?.id ?? null };
  return { content: [{ type: 'text' as const, text: JSON.stringify(seen) }] };
}

const done = { content: [{ type: 'text' as const, text: 'done' }] };

export function serverV1(): McpServerV1 {
  const server = new McpServerV1({ name: 'test', version: '1.0.0' });
  server.registerTool(
    'whoami',
    { inputSchema: { word: z.string().optional() } },
    scopes.guard('whoami', async (_args, extra) => whoami(extra.authInfo)),
  );
  server.registerTool(
    'wipe',
    {},
    scopes.guard('wipe', () => done),
  );
  return server;
}

function serverV2(): McpServerV2 {
  const server = new McpServerV2({ name: 'test', version: '1.0.0' });
  server.registerTool(
    'whoami',
    { inputSchema: z.object({ word: z.string().optional() }) },
    scopes.guard('whoami', async (_args, ctx) => whoami(ctx.http?.authInfo)),
  );
  server.registerTool(
    'wipe',
    {},
    scopes.guard('wipe', () => done),
  );
  return server;
}

/** Stateless: a server and a transport for each request. */
async function answerV1(req: express.Request, res: express.Response): Promise<void> {
  const server = serverV1();
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  res.on('close', () => void server.close());
  await server.connect(transport as Transport);
  await transport.handleRequest(req, res);
}

const listenerV1 = (req: express.Request, res: express.Response) => void answerV1(req, res);

export interface Host {
  readonly url: URL;
  readonly protection: Protection;
  readonly stack: Stack;
}

/** One way to guard a server; returns the guard's protection and what listens. */
/** What a test says of a service besides what all have. */
export type OwnOptions = Partial<OwnService & ProtectionSettings>;

type Guarding = (options: ProtectOptions) => Promise<{
  readonly guard: { readonly protection: Protection; close(): Promise<void> };
  readonly listener: RequestListener;
}>;

const listenerV2 = () => toNodeHandler(createMcpHandler(() => serverV2()));

export const verifiers: Readonly<Record<string, Guarding>> = {
  'v1, requireBearerAuth': async (options) => {
    const guard = await tokenVerifier({ ...options, errors });
    return { guard, listener: express().all('/mcp', bearerV1({ verifier: guard }), guard.watch, listenerV1) };
  },
  'v2, requireBearerAuth of Express': async (options) => {
    const guard = await tokenVerifier(options);
    return { guard, listener: express().all('/mcp', bearerV2({ verifier: guard }), guard.watch, listenerV2()) };
  },
  'v2, requireBearerAuth of a fetch handler': async (options) => {
    const guard = await tokenVerifier(options);
    const gate = webBearer({ verifier: guard });
    const handler = createMcpHandler(() => serverV2());
    const listener = toNodeHandler({
      async fetch(request) {
        const authInfo = await gate(request);
        return authInfo instanceof Response ? authInfo : handler.fetch(request, { authInfo });
      },
    });
    return { guard, listener: (req, res) => void listener(req, res) };
  },
};

export const guards: Readonly<Record<string, Guarding>> = {
  'v1, protect in Express': async (options) => {
    const guard = await protect(options);
    return { guard, listener: express().use(guard).all('/mcp', listenerV1) };
  },
  'v2, protect in Express': async (options) => {
    const guard = await protect(options);
    return { guard, listener: express().use('/mcp', guard, listenerV2()) };
  },
  'v2, protect on node:http': async (options) => {
    const guard = await protect(options);
    const handler = listenerV2();
    return { guard, listener: (req, res) => guard(req, res, () => void handler(req, res)) };
  },
  'v2, protect as a hook of Fastify': async (options) => {
    const guard = await protect(options);
    const handler = listenerV2();
    const app = fastify();
    app.addHook('onRequest', (request, reply, next) => void guard(request.raw, reply.raw, next));
    app.all('/mcp', (request, reply) => {
      reply.hijack();
      return handler(request.raw, reply.raw, request.body);
    });
    await app.ready();
    return { guard, listener: app.routing };
  },
  'v2, protect before Hono': async (options) => {
    const guard = await protect(options);
    const handler = createMcpHandler(() => serverV2());
    const app = new Hono<{ Bindings: HttpBindings }>();
    app.all('/mcp', (c) => handler.fetch(c.req.raw, { authInfo: (c.env.incoming as McpRequest).auth }));
    const listener = getRequestListener(app.fetch);
    return { guard, listener: (req, res) => guard(req, res, () => void listener(req, res)) };
  },
};

export async function start(t: TestContext, guarding: Guarding, options: OwnOptions = {}): Promise<Host> {
  const store = memoryStore();
  const env = { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) };
  const warn = () => undefined;
  const given = { service: 'tools', keys: [], mode: 'enforce' as const, store, env, warn, ...options };
  const { guard, listener } = await guarding(given);
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
    await guard.close();
    await store.close();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
  return { url, protection: guard.protection, stack: guard.protection.stack };
}

export interface Talker {
  call(tool: string): Promise<{ readonly isError: boolean; readonly text: string }>;
  close(): Promise<void>;
}

export type Talk = (t: TestContext, url: URL, headers: Record<string, string>) => Promise<Talker>;

function talker(t: TestContext, client: ClientV1 | ClientV2): Talker {
  t.after(() => client.close());
  return {
    async call(name) {
      const { content, isError } = await client.callTool({ name, arguments: {} });
      const [first] = content as { text: string }[];
      return { isError: isError === true, text: first?.text ?? '' };
    },
    close: () => client.close(),
  };
}

const talkV1: Talk = async (t, url, headers) => {
  const client = new ClientV1({ name: 'test', version: '1.0.0' });
  await client.connect(new TransportV1(url, { requestInit: { headers } }) as Transport);
  return talker(t, client);
};

const talkV2: Talk = async (t, url, headers) => {
  const client = new ClientV2({ name: 'test', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new TransportV2(url, { requestInit: { headers } }));
  return talker(t, client);
};

export const talkFor = (name: string): Talk => (name.startsWith('v1') ? talkV1 : talkV2);

export const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

export interface KeyWishes {
  readonly expiresAt?: number | null;
  readonly scopes?: readonly string[];
  readonly allowedIps?: readonly string[];
}

export async function keyOf({ stack }: Host, { expiresAt = null, scopes: held = [], allowedIps }: KeyWishes = {}) {
  const { store, seal, clock } = stack;
  const wishes = { service: 'agent', kind: 'sk' as const, expiresAt, scopes: held, now: clock() };
  const { record, key } = await createKey(store, seal, { ...wishes, ...(allowedIps && { allowedIps }) });
  return { id: record.id, key };
}

export async function tokenOf({ stack }: Host, held: readonly string[] = []) {
  const request = { ttlSeconds: 600, scopes: held, allowedIps: [], clientId: null, metadata: {}, createdBy: 'test' };
  const { record, token } = await stack.tokens.mint(request);
  return { id: record.tokenId, token, expiresAt: record.expiresAt };
}

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};

/** The answer to a bare first message. */
export function post(url: URL, headers: Record<string, string>, message: object = initialize): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify(message),
  });
}
