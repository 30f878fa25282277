import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TlsOptions } from 'node:tls';
import { nextRequestId } from '../adapters/node/request.ts';
import { hasBody } from '../adapters/node/request-shape.ts';
import { responseOn } from '../adapters/node/response-on.ts';
import type { Stack } from '../compose/stack.ts';
import { plainAddress } from '../core/address.ts';
import { refusalOf } from '../core/refusal.ts';
import { deny, type Denied } from '../core/verdict.ts';
import { slowBodies } from './slow-bodies.ts';

/**
 * For every http.Server that faces clients. Heads are bounded in size and time, which is what stops a slow or endless one;
 * bodies and answers are not bounded in time, since streams may last.
 */
const serverOptions: ServerOptions & { shouldUpgradeCallback(req: IncomingMessage): boolean } = {
  // Whatever else a client offers on the side it is content without (RFC 9110 §7.8): HTTP/2 in the clear, say.
  shouldUpgradeCallback: isWebSocketHandshake,
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

/** RFC 6455 §4.1. A body would have no end in what follows. */
function isWebSocketHandshake(req: IncomingMessage): boolean {
  const { method, httpVersion, headers } = req;
  return method === 'GET' && httpVersion === '1.1' && headers.upgrade?.toLowerCase() === 'websocket' && !hasBody(req);
}

/** Requests that wait for their turn on one connection. Each costs a hundred times the memory of what was sent for it. */
const aheadMax = 100;

/** node:http's own code for it. */
const tooSlow = 'ERR_HTTP_REQUEST_TIMEOUT';

type Refused = Stack['audit']['refused'];

export interface FrontServerOptions {
  /** Sees what was refused here, before any handler: what came was no HTTP, or too long or too slow. */
  readonly refused?: Refused;
  /** How long an unfinished request body may stand still; a minute unless said. */
  readonly bodyIdleMillis?: number;
  /** Speaks TLS. */
  readonly tls?: TlsOptions | null;
}

/** A server with these options that answers what it cannot read in the form of our refusals. */
export function frontServer(
  handle: (req: IncomingMessage, res: ServerResponse) => void,
  upgrade: (req: IncomingMessage, socket: Duplex, head: Buffer) => void,
  { refused = () => undefined, bodyIdleMillis = 60_000, tls = null }: FrontServerOptions = {},
): Server {
  const onClientError = clientError(refused);
  const bodies = slowBodies(bodyIdleMillis, ({ socket }) => {
    onClientError(Object.assign(new Error('the request body stopped coming in'), { code: tooSlow }), socket);
  });
  const lastRequests = new WeakSet<Duplex>();
  const ahead = new WeakMap<Duplex, number>();

  function take(req: IncomingMessage, res: ServerResponse): void {
    if (lastRequests.has(req.socket)) {
      req.socket.destroy();
      return;
    }
    if (req.headers.upgrade !== undefined) {
      // After an upgrade that it was told to ignore node:http loses what follows in the same packet, so that a later body
      // could be read as a request. Hence nothing may follow.
      lastRequests.add(req.socket);
      res.shouldKeepAlive = false;
    }
    // An abort is looked for a listener of in one turn and told in another; whoever listened may have let go in between.
    req.on('error', () => undefined);
    // Sent ahead of an answer, a request has its turn when that is through. Its own response does not hear of every end of a
    // connection that it has not been given yet, and whatever was done for it would last.
    if (res.socket === null) wait(req, res);
    else begin(req, res);
  }

  function wait(req: IncomingMessage, res: ServerResponse): void {
    const { socket } = req;
    const waiting = ahead.get(socket) ?? 0;
    if (waiting === aheadMax) {
      if (!socket.destroyed)
        refused(deny('bad_request', `more than ${aheadMax} requests ahead of an answer`), unreadRequest(socket));
      socket.destroy();
      return;
    }
    ahead.set(socket, waiting + 1);
    res.once('socket', () => {
      ahead.set(socket, (ahead.get(socket) ?? 1) - 1);
      begin(req, res);
    });
  }

  function begin(req: IncomingMessage, res: ServerResponse): void {
    if (req.socket.destroyed) return;
    bodies.watch(req, res);
    handle(req, res);
  }

  // The same in all that is used here; node:https only types it otherwise.
  const server =
    tls === null
      ? createServer(serverOptions, take)
      : (createTlsServer({ ...serverOptions, ...tls }, take) as unknown as Server);
  // A limit would drop lines in silence: their size has one, and whoever reads them refuses what is too many.
  server.maxHeadersCount = 0;
  server.on('clientError', onClientError);
  // Not answered before the verdict: the gateway says 100 when it wants the body.
  server.on('checkContinue', take);
  server.on('connect', (_req: IncomingMessage, socket: Duplex) => {
    if (responseOn(socket)) socket.destroy();
    else refuseSocket(socket, 400, deny('bad_request', 'CONNECT'));
  });
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Sent behind a request that has no answer yet: a response for it would find the socket taken.
    if (responseOn(socket)) socket.destroy();
    // A Node before 22.21 asks nobody which offers are taken.
    else if (!isWebSocketHandshake(req)) refuseSocket(socket, 400, deny('bad_request', 'no WebSocket handshake'));
    else upgrade(req, socket, head);
  });
  server.on('close', () => bodies.close());
  return server;
}

/** A server's 'clientError' event: what came is no HTTP, too long or too slow. */
function clientError(refused: Refused) {
  return (error: Error & { code?: string }, socket: Duplex): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
    else if (isAnswered(socket)) socket.end(() => socket.destroy());
    else {
      const denied = deny('bad_request', `${error.code ?? 'unreadable'}: ${error.message}`);
      refuseSocket(socket, statusOf(error.code), denied);
      // Browsers open connections ahead of need: one on which nothing ever came is no attempt at anything.
      if (!('bytesRead' in socket) || socket.bytesRead !== 0) refused(denied, unreadRequest(socket));
    }
  };
}

/** All that is known of a request that could not be read. */
function unreadRequest(socket: Duplex): Parameters<Refused>[1] {
  const address = 'remoteAddress' in socket && typeof socket.remoteAddress === 'string' ? socket.remoteAddress : '';
  return { method: '', path: '', service: '', remoteAddress: plainAddress(address), requestId: nextRequestId() };
}

/** A second answer behind one that has begun would be read as the next one. */
function isAnswered(socket: Duplex): boolean {
  return responseOn(socket)?.headersSent === true;
}

function statusOf(code: string | undefined): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  return code === tooSlow ? 408 : 400;
}

const PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

function refuseSocket(socket: Duplex, status: number, denied: Denied): void {
  const { headers, body } = refusalOf(denied, []);
  let head = `HTTP/1.1 ${status} ${PHRASES[status] ?? ''}\r\nConnection: close\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  socket.on('error', () => socket.destroy());
  socket.end(`${head}\r\n${body}`, () => socket.destroy());
}
