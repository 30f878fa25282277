import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { refusedRequest } from '../adapters/node/request.ts';
import { plainAddress } from '../core/address.ts';
import { isTrusted } from '../core/client-address.ts';
import { parseTarget } from '../core/target.ts';
import { deny } from '../core/verdict.ts';
import { messageOf } from '../core/message-of.ts';
import { isDiscovery, rootDiscoveryAnswer } from '../compose/oauth-discovery.ts';
import type { Stack } from '../compose/stack.ts';
import { accountEndpoints } from './login/account-endpoints.ts';
import { adminEndpoints } from './admin/admin-endpoints.ts';
import { introspect, revoke } from './credential-endpoints.ts';
import { dashboardPages } from './dashboard.ts';
import { externalLogin } from './login/external-login.ts';
import { readExchange, type Exchange, type Handler } from './exchange.ts';
import {
  dialectOf,
  isEnvoyQuestion,
  isReservedSegment,
  refuseUnreadable,
  verify,
} from './forward-auth/forward-auth.ts';
import { hostFault, hostName } from './host-check.ts';
import { keyEndpoints, type KeyEndpoints } from './key-endpoints.ts';
import { liveEndpoint } from './admin/live.ts';
import { mcpEndpoint } from './mcp/mcp-endpoint.ts';
import { operatorLogin } from './oauth/login.ts';
import type { OauthServerOptions } from './oauth/oauth-server.ts';
import { operatorsOf, type OperatorsOptions } from './login/operators.ts';
import { probes } from './probe-endpoints.ts';
import { refusalReply, send, success, type Reply } from './reply.ts';
import { router, type Endpoints, type Router } from './router.ts';
import { sessionEndpoints } from './login/session-endpoints.ts';
import { createToken, deleteToken, listTokens } from './token-endpoints.ts';
import { isRefused, refused, refusedBy } from './refused.ts';

/** The authority's side of a server: reserved paths of the services' port, and the operator's own port. */
export interface Authority {
  /** Answers a reserved path on the port of the services; never throws. */
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** Answers on adminListen. */
  handleAdmin(req: IncomingMessage, res: ServerResponse): void;
  /** A server's 'upgrade' event: answered like any request and never upgraded, since a proxy may ask about a WebSocket's handshake. */
  upgrade(req: IncomingMessage, socket: Duplex): void;
  /**
   * Whether a trusted proxy asks for a verdict here. To be looked at before hosts: the question may carry the host of the
   * service that it is about.
   */
  asksForVerdict(req: IncomingMessage): boolean;
  /** Whether a normalised path belongs to the authority, by its first segment in any case of its letters. */
  isReserved(path: string): boolean;
  /** Answers those who wait for news: before the servers close, which would wait for them. */
  drain(): void;
  close(): Promise<void>;
}

export interface AuthorityOptions {
  readonly oauth?: OauthServerOptions;
  readonly operators?: OperatorsOptions;
}

export function isReserved(path: string): boolean {
  const slash = path.indexOf('/', 1);
  return isReservedSegment(path.slice(1, slash === -1 ? path.length : slash));
}

export async function createAuthority(stack: Stack, options: AuthorityOptions = {}): Promise<Authority> {
  const mcp = mcpEndpoint(stack);
  const keys = keyEndpoints(stack);
  const open = router(endpoints(stack, keys, (exchange) => mcp.handle(exchange)));
  const server = stack.config.oauth?.server ?? null;
  const known = operatorsOf(stack, options.operators);
  const external = externalLogin(stack, known);
  // The authorization server's library is a third of a start: loaded only where there is to be one.
  const oauth =
    server &&
    (await import('./oauth/oauth-server.ts')).oauthServer(stack, server, {
      login: operatorLogin(stack, known, external),
      ...options.oauth,
    });
  const live = liveEndpoint(stack, known);
  const operators = router({
    ...adminEndpoints(stack, known),
    ...sessionEndpoints(known),
    ...accountEndpoints(known),
    ...external?.endpoints,
    '/admin/api/logins': { GET: () => success(200, { openid: external && { host: external.label } }) },
    '/admin/api/live': { GET: live.handle },
  });
  const dashboard = dashboardPages();

  async function answer(exchange: Exchange): Promise<Reply | null> {
    const dialect = dialectOf(exchange.path);
    if (dialect) return verify(exchange, dialect);
    // Elsewhere the admin's paths are not there at all: their origin is never shared with a service.
    const host = hostName(exchange.request.authority);
    const isAdmins = host !== null && stack.config.adminHosts.includes(host);
    if (isAdmins && (isAdminPath(exchange.path) || oauth?.owns(exchange.path))) return admin(exchange);
    if (isDiscovery(exchange.path)) return rootDiscoveryAnswer(exchange, stack.config);
    return run(open, exchange);
  }

  async function admin(exchange: Exchange): Promise<Reply | null> {
    if (oauth?.owns(exchange.path)) return oauth.handle(exchange);
    const fault = hostFault(exchange);
    if (fault) return refusalReply(fault);
    return dashboard.owns(exchange.path) ? dashboard.handle(exchange) : run(operators, exchange);
  }

  /** Whatever goes wrong inside is an outage to the caller; its message is the operator's. */
  async function serve(
    req: IncomingMessage,
    res: ServerResponse,
    how: (exchange: Exchange) => Promise<Reply | null>,
  ): Promise<void> {
    let reply: Reply | null;
    try {
      const exchange = readExchange(stack, req, res);
      if (!isRefused(exchange)) reply = await how(exchange);
      else reply = isEnvoyQuestion(req) ? refuseUnreadable(stack, req, exchange.denied) : refusalReply(exchange);
    } catch (error) {
      const note = messageOf(error);
      reply = refusalReply(refusedBy(deny('unavailable', note, { retryAfter: 1 }), null));
    }
    if (reply?.denied) stack.audit.turnedAway(reply.denied, refusedRequest(req, '', stack.config.trustedProxies));
    if (reply) send(req, res, reply, stack.devMode);
  }

  return {
    handle: (req, res) => void serve(req, res, answer),
    handleAdmin: (req, res) => void serve(req, res, admin),
    upgrade(req, socket) {
      const res = new ServerResponse(req);
      res.shouldKeepAlive = false;
      socket.on('error', () => socket.destroy());
      res.assignSocket(req.socket);
      // What the client sends behind its request is not read, so its end would never be heard of.
      res.on('finish', () => socket.end(() => socket.destroy()));
      void serve(req, res, answer);
    },
    asksForVerdict(req) {
      const target = parseTarget(req.url ?? '');
      const peer = plainAddress(req.socket.remoteAddress ?? '');
      return target.ok && dialectOf(target.path) !== null && isTrusted(stack.config.trustedProxies, peer);
    },
    isReserved,
    drain() {
      keys.close();
      live.close();
    },
    async close() {
      keys.close();
      live.close();
      known.login.close();
      oauth?.close();
      await mcp.close();
    },
  };
}

function isAdminPath(path: string): boolean {
  return /^\/(?:admin|dashboard|oauth)(?:\/|$)/.test(path);
}

function endpoints(stack: Stack, keys: KeyEndpoints, mcp: Handler): Endpoints {
  const probe = probes(stack);
  return {
    '/auth/token': { POST: createToken },
    '/auth/tokens': { GET: listTokens },
    '/auth/tokens/:token_id': { DELETE: deleteToken },
    '/auth/keys/snapshot': { GET: keys.snapshot },
    '/auth/keys/tokens/:token': { GET: keys.token },
    '/auth/introspect': { POST: introspect },
    '/auth/revoke': { POST: revoke },
    '/health': { GET: probe.health },
    '/health/live': { GET: probe.live },
    '/health/ready': { GET: probe.ready },
    '/health/startup': { GET: probe.startup },
    '/info': { GET: probe.info },
    '/metrics': { GET: probe.metrics },
    '/mcp': { POST: mcp },
  };
}

async function run(routes: Router, exchange: Exchange): Promise<Reply | null> {
  const found = routes(exchange.method, exchange.path);
  if (found === null) return refusalReply(refused('not_found', 'there is nothing at this path'));
  if ('allow' in found) {
    const reply = refusalReply(refused('method_not_allowed', `this path takes ${found.allow}`));
    return { ...reply, headers: { ...reply.headers, allow: found.allow } };
  }
  return found.handler(exchange, found.parameter);
}
