import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { nodeRequest } from '../adapters/node/request.ts';
import { parseConfig } from '../compose/load/load.ts';
import { createStack, type Stack } from '../compose/stack.ts';
import { addressList } from '../core/address.ts';
import { systemClock, type Clock } from '../core/clock.ts';
import type { SignatureKeyEntry } from '../core/credential.ts';
import { refusalOf } from '../core/refusal.ts';
import type { Principal } from '../core/verdict.ts';
import { createGateway } from '../gateway/gateway.ts';
import { frontServer } from '../gateway/server.ts';
import { httpSignature } from '../schemes/http-signature/index.ts';
import { memoryStore } from '../stores/memory/store.ts';

/** What a server saw of one request. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  readonly seen: Seen[];
  /** How many connections were opened. */
  connections(): number;
}

/** A real server on a free loopback port that keeps what it saw. */
export async function testServer(t: TestContext, listener: RequestListener, port = 0): Promise<TestServer> {
  const seen: Seen[] = [];
  const server = createServer((req, res) => {
    seen.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers });
    listener(req, res);
  });
  return { seen, server, ...(await served(t, server, port)) };
}

async function served(t: TestContext, server: Server, port = 0) {
  let connections = 0;
  server.on('connection', () => void (connections += 1));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => closed(server));
  const { port: bound } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${bound}`, port: bound, connections: () => connections };
}

export async function closed(server: Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}

export function echo(req: IncomingMessage, res: Parameters<RequestListener>[1]): void {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    res.setHeader('content-type', 'application/json');
    res.end(
      JSON.stringify({
        method: req.method,
        url: req.url,
        body: Buffer.concat(chunks).toString(),
        type: req.headers['content-type'] ?? null,
        caller: req.headers['x-auth-principal'] ?? null,
      }),
    );
  });
}

export interface GatewayFixture {
  readonly stack: Stack;
  readonly url: string;
  readonly upstream: TestServer;
  connections(): number;
}

/** The real gateway of a real stack in front of one service, `embeddings`, that echoes. */
export async function gatewayFixture(
  t: TestContext,
  options: { readonly clock?: Clock; readonly service?: string; readonly yaml?: string } = {},
): Promise<GatewayFixture> {
  const upstream = await testServer(t, echo);
  const env = { COUNTERSIGN_MASTER_KEY: 'ab'.repeat(32) };
  const yaml = `store: 'memory:'
services:
  embeddings:
    upstream: ${upstream.url}
${options.service ?? ''}
${options.yaml ?? ''}`;
  const config = parseConfig(yaml, { file: null, env });
  const store = memoryStore();
  const stack = await createStack({ config, env, store, clock: options.clock ?? systemClock });
  const gateway = createGateway(stack);
  const server = frontServer(
    (req, res) => gateway.handle(req, res),
    (req, socket, head) => gateway.upgrade(req, socket, head),
  );
  const door = await served(t, server);
  t.after(async () => {
    await gateway.close();
    await stack.close();
    await store.close();
  });
  return { stack, upstream, ...door };
}

/** A server that verifies HTTP signatures itself, and answers with whom it saw. */
export async function signatureServer(
  t: TestContext,
  keys: Readonly<Record<string, readonly SignatureKeyEntry[]>>,
  clock: Clock = systemClock,
): Promise<TestServer> {
  const used = new Set<string>();
  const scheme = httpSignature({
    keys: { signatureKeys: (keyid) => keys[keyid] ?? [] },
    clock,
    once: (keyId, nonce) => !used.has(`${keyId} ${nonce}`) && !!used.add(`${keyId} ${nonce}`),
  });
  return testServer(t, async (req, res) => {
    const path = (req.url ?? '').replace(/\?.*$/, '');
    const trustedProxies = addressList([]);
    const request = nodeRequest({ req, service: 'embeddings', path, trustedProxies, bodyLimit: 1 << 20 });
    const verdict = await scheme.authenticate(request);
    if (verdict?.allowed) {
      const body = request.bodyPresence === 'none' ? '' : Buffer.from(await request.body()).toString();
      res.end(JSON.stringify({ caller: verdict.principal.id, body, url: req.url, type: req.headers['content-type'] }));
      return;
    }
    if (!verdict) {
      res.writeHead(401).end('no signature');
      return;
    }
    const fields = scheme.refusalHeaders?.(verdict) ?? {};
    const refusal = refusalOf(verdict, [], { ...fields, date: new Date(clock() * 1000).toUTCString() });
    res.writeHead(refusal.status, refusal.headers).end(refusal.body);
  });
}

export function principal(id: string): Principal {
  return { id, scheme: 'http-signature', credentialId: 'a-key', scopes: [], expiresAt: null, addresses: null };
}

export async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-client-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : `no code: ${String(error)}`;
  }
  return 'nothing was thrown';
}
