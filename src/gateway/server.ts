import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { refusalOf } from '../core/refusal.ts';
import { deny } from '../core/verdict.ts';

/**
 * For every http.Server that faces clients. Heads are bounded in size and time, which is what stops a slow or endless one;
 * bodies and answers are not bounded in time, since streams may last.
 */
export const serverOptions: ServerOptions = {
  maxHeaderSize: 16_384,
  headersTimeout: 15_000,
  connectionsCheckingInterval: 5000,
  requestTimeout: 0,
  // Longer than the idle time of proxies in front of us, so that they and not we close idle connections.
  keepAliveTimeout: 75_000,
  insecureHTTPParser: false,
  requireHostHeader: true,
  joinDuplicateHeaders: false,
  noDelay: true,
  // A request without a body needs no stream of one: no 'end', no 'close' on it.
  optimizeEmptyRequests: true,
  // A client that vanished without a word is noticed on an open stream too.
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
};

/** Lines beyond it node:http drops in silence; the gateway refuses from 129 on, long before. */
const headerLinesKept = 512;

/** A server with these options that answers what it cannot read in the form of our refusals. */
export function frontServer(
  handle: (req: IncomingMessage, res: ServerResponse) => void,
  upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void,
): Server {
  const server = createServer(serverOptions, handle);
  server.maxHeadersCount = headerLinesKept;
  server.on('clientError', clientError);
  // Not answered before the verdict: the gateway says 100 when it wants the body.
  server.on('checkContinue', handle);
  server.on('connect', (_req: IncomingMessage, socket: Duplex) => refuseSocket(socket, 400, 'CONNECT'));
  server.on('upgrade', upgrade);
  return server;
}

/** For handlers that read every body: says 100 Continue when the client waits for it. */
export function continueBody(req: IncomingMessage, res: ServerResponse): void {
  if (req.headers.expect !== undefined && req.httpVersion === '1.1') res.writeContinue();
}

/** A server's 'clientError' event: what came is no HTTP, too long or too slow. */
export function clientError(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else if (isAnswered(socket)) socket.end(() => socket.destroy());
  else refuseSocket(socket, statusOf(error.code), error.message);
}

/** node:http keeps the response under way on its socket; a second answer behind it would be read as the next one. */
function isAnswered(socket: Duplex): boolean {
  // oxlint-disable-next-line no-underscore-dangle -- its name in node:http, which has no public one
  const response = '_httpMessage' in socket ? (socket._httpMessage as { headersSent?: boolean } | null) : null;
  return response?.headersSent === true;
}

function statusOf(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
}

const PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

function refuseSocket(socket: Duplex, status: number, note: string): void {
  const { headers, body } = refusalOf(deny('bad_request', note), []);
  let head = `HTTP/1.1 ${status} ${PHRASES[status] ?? ''}\r\nConnection: close\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  socket.on('error', () => socket.destroy());
  socket.end(`${head}\r\n${body}`, () => socket.destroy());
}
