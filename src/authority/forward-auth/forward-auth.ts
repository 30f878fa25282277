import type { IncomingMessage } from 'node:http';
import { refusedRequest } from '../../adapters/node/request.ts';
import { IDENTITY_HEADERS, identityValues } from '../../core/identity.ts';
import { PROBE_HEADER } from '../../core/probe.ts';
import { refusalOf } from '../../core/refusal.ts';
import { BodyError, type AuthRequest } from '../../core/request.ts';
import { parseTarget, routeKey } from '../../core/target.ts';
import { deny, type Denied } from '../../core/verdict.ts';
import { RESERVED_SEGMENTS, type ServiceConfig } from '../../compose/config.ts';
import { unlessDiscovery } from '../../compose/oauth-discovery.ts';
import type { Stack } from '../../compose/stack.ts';
import { bearerChallenge } from '../../schemes/bearer-challenge.ts';
import { DIALECTS, envoy, envoyPrefix, type Described, type Dialect, type NamedService } from './dialects.ts';
import type { Exchange } from '../exchange.ts';
import { hostName } from '../host-check.ts';
import { misspelt, misspeltClaim } from './misspelt.ts';
import type { Reply } from '../reply.ts';
import { isRefused, refusedBy, type Refused } from '../refused.ts';

/** The dialect of a verify path; null when it is none. */
export function dialectOf(path: string): Dialect | null {
  if (path === envoyPrefix || path.startsWith(`${envoyPrefix}/`)) return envoy;
  return Object.hasOwn(DIALECTS, path) ? (DIALECTS[path] ?? null) : null;
}

/**
 * Answers a proxy that asks whether a request may pass: the gateway's verdict on the same request, byte for byte. The
 * credential is in the headers of the question itself; what was asked for is described by the proxy, so only a proxy that
 * we were told of may ask. The body is not seen here and is never read.
 */
export async function verify(exchange: Exchange, dialect: Dialect): Promise<Reply> {
  const reply = await answer(exchange, dialect);
  if (reply.status === 200 || dialect.keepsBody) return reply;
  return { ...reply, headers: { ...reply.headers, 'x-countersign-refusal': reply.body } };
}

async function answer(exchange: Exchange, dialect: Dialect): Promise<Reply> {
  const { stack, peerAddress } = exchange;
  if (!stack.config.trustedProxies.contains(peerAddress)) {
    const note = `${peerAddress} asked for a verdict but is not in trustedProxies`;
    return refuse(exchange, deny('address_not_allowed', note));
  }
  // Only the gateway answers these by itself; any 2xx from here would send the request on.
  if (exchange.request.fields(PROBE_HEADER).length > 0)
    return refuse(exchange, deny('not_allowed', `a request with ${PROBE_HEADER} is never passed on`));
  const described = misspelt(exchange) ?? dialect.describe(exchange);
  if (isRefused(described)) return refuse(exchange, described.denied);
  const request = originalRequest(exchange, described);
  if (isRefused(request)) return refuse(exchange, request.denied);
  const decision = await stack.guard.decide(request);
  if (decision.outcome === 'deny' && decision.verdict && !decision.verdict.allowed) {
    const refusal = stack.guard.refusal(decision.verdict, request.service);
    // Of one that takes access tokens there is something to read, from the gateway.
    const takesKeysOnly = stack.service(request.service)?.oauth === null;
    return takesKeysOnly && dialect.keepsBody ? unlessDiscovery(refusal, request.path) : refusal;
  }
  const claim = decision.mode === 'enforce' ? misspeltClaim(exchange) : null;
  if (claim) {
    stack.audit.refused(claim, request, decision);
    return stack.guard.refusal(claim, request.service);
  }
  const values = identityValues(decision);
  const headers: Record<string, string> = { 'content-length': '0', 'cache-control': 'no-store' };
  for (const [index, name] of IDENTITY_HEADERS.entries()) headers[name] = values[index] ?? '';
  return { status: 200, headers, body: '' };
}

/** A question of Envoy's whose own path holds the ambiguous one: answered and kept as one that could be read. */
export function refuseUnreadable(stack: Stack, req: IncomingMessage, denied: Denied): Reply {
  const request = refusedRequest(req, '', stack.config.trustedProxies);
  stack.audit.refused(denied, { ...request, path: request.path.slice(envoyPrefix.length) });
  return stack.guard.refusal(denied, '');
}

export function isEnvoyQuestion(req: IncomingMessage): boolean {
  return req.url?.startsWith(`${envoyPrefix}/`) === true;
}

function originalRequest(exchange: Exchange, described: Described): AuthRequest | Refused {
  const { stack, request } = exchange;
  const parsed = parseTarget(described.target);
  if (!parsed.ok) return refusedBy(deny('bad_request', parsed.note));
  const place = addressed(stack, described, parsed.path);
  if (place === null)
    return refusedBy(deny('no_such_service', 'neither the verify URL nor host nor path means a service'));
  const { service, path } = place;
  return {
    method: described.method,
    target: described.target,
    path,
    service,
    authority: described.authority,
    protocol: described.protocol,
    remoteAddress: request.remoteAddress,
    requestId: request.requestId,
    fields: request.fields,
    bodyPresence: 'unseen',
    body: () => Promise.reject(new BodyError('body_unavailable', 'forward auth does not see the body')),
  };
}

/**
 * By the verify URL, else the host, else the first segment, which is then no part of the path; what nothing else means
 * reaches the service that is mounted at the root. Null for a service that nobody knows: its name is the client's invention
 * and goes into no decision.
 */
function addressed(stack: Stack, described: Described, path: string): { service: string; path: string } | null {
  if (described.service !== null) return named(stack, described.service, path);
  // Proxies take a name with the final dot of DNS for the same one; read as another, the path would choose the service.
  const host = hostName(described.authority)?.replace(/\.$/, '');
  const byHost = stack.config.services.find((service) => host !== undefined && service.hosts.includes(host));
  if (byHost) return { service: byHost.name, path };
  const slash = path.indexOf('/', 1);
  const segment = path.slice(1, slash === -1 ? path.length : slash);
  const bySegment = stack.service(segment);
  if (bySegment) return { service: bySegment.name, path: slash === -1 ? '/' : path.slice(slash) };
  const mounted = isReservedSegment(segment) ? undefined : stack.config.services.find(isMounted);
  return mounted ? { service: mounted.name, path } : null;
}

function named(stack: Stack, { name, prefix }: NamedService, path: string): { service: string; path: string } | null {
  if (!stack.service(name)) return null;
  if (prefix === '') return { service: name, path };
  if (path !== prefix && !path.startsWith(`${prefix}/`)) return null;
  return { service: name, path: path.slice(prefix.length) || '/' };
}

function isMounted(service: ServiceConfig): boolean {
  return service.mount === '/';
}

/** In any case of its letters: /Auth must not reach a service that happens to be mounted at the root. */
export function isReservedSegment(segment: string): boolean {
  return RESERVED_SEGMENTS.includes(routeKey(segment).toLowerCase());
}

/** A refusal before the guard was asked; it is recorded here, since the guard will not. */
function refuse({ stack, request }: Exchange, denied: Denied): Reply {
  const { method, path, remoteAddress, requestId } = request;
  stack.audit.refused(denied, { method, path, service: '', remoteAddress, requestId });
  return refusalOf(denied, [bearerChallenge(denied)]);
}
