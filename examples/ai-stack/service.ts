/** What the example services share: an HTTP server on loopback, JSON in and out, a quiet end. No authentication anywhere. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => void | Promise<void>;

/** Routes are written 'POST /embed'. Says its address on standard output once it listens. */
export function startService(name: string, defaultPort: number, routes: Readonly<Record<string, Handler>>): Server {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname === '/health') return sendJson(response, 200, { status: 'UP', service: name });
    const handler = routes[`${request.method} ${url.pathname}`];
    if (!handler) return sendJson(response, 404, { error: `${name} has no ${request.method} ${url.pathname}` });
    try {
      await handler(request, response, url);
    } catch (error) {
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: error instanceof Error ? error.message : String(error) });
    }
  });
  server.listen(Number(process.env['PORT'] ?? defaultPort), '127.0.0.1', () => {
    console.log(`${name} listens on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      server.close();
      server.closeAllConnections();
    });
  }
  return server;
}

export async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const text = Buffer.concat(chunks).toString('utf8');
  const value: unknown = text === '' ? {} : JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error('the body must be a JSON object');
  return value as Record<string, unknown>;
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    .end(body);
}

/** Who is calling, as the gateway proved it; services behind it need no more than to read this header. */
export function callerOf(request: IncomingMessage): string {
  const principal = request.headers['x-auth-principal'];
  return typeof principal === 'string' && principal !== '' ? principal : 'somebody';
}
