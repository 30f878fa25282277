import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Protection } from '../compose/protection/protection.ts';
import { discoveryAnswer, isDiscovery, unlessDiscovery } from '../compose/oauth-discovery.ts';
import type { Decision } from '../core/decision.ts';
import { isIdentityHeader } from '../core/identity.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import type { Passed } from '../core/lasting.ts';
import type { McpRules } from '../core/mcp/rules.ts';
import type { Refusal } from '../core/refusal.ts';
import { BodyError } from '../core/request.ts';
import { parseTarget } from '../core/target.ts';
import { deny, type Denied, type Principal } from '../core/verdict.ts';
import { discardBody } from './node/discard-body.ts';
import { leaveBody } from './node/leave-body.ts';
import type { OtherCase } from './other-case.ts';
import { nodeRequest, refusedRequest, type NodeRequest } from './node/request.ts';
import { hasBody, requestFault } from './node/request-shape.ts';

/** What becomes of a request: `refusal` is to be sent, or, where it is null, the handler's turn has come. */
export interface Admission {
  readonly refusal: Refusal | null;
  /** Who was proven; null where nobody was asked (public, off), and in report mode for a caller who would be refused. */
  readonly principal: Principal | null;
  /** False in modes report and off: nothing that was let in is cut off as long as they last. */
  readonly enforced: boolean;
  /** By which the answer to a proven caller is looked into; null where there are none, or nothing is enforced. */
  readonly mcp: McpRules | null;
  /** What the guard decided, and on what; null where it was not asked. */
  readonly decided: Passed | null;
}

/**
 * What every adapter asks: the question of one request as node:http received it. `path` is what the framework routes by,
 * `target` what the client sent; both with the query. `ambiguous`: for frameworks that ignore case. Here at once unless
 * something had to be awaited; never throws or rejects.
 */
export function admission(
  protection: Protection,
  req: IncomingMessage,
  path: string = req.url ?? '',
  target: string = path,
  ambiguous: OtherCase | null = null,
): MaybePromise<Admission> {
  stripIdentity(req);
  if (req.httpVersionMajor > 1)
    protection.complain(
      `HTTP/${req.httpVersion} is not spoken here, so every such request is answered with 400: serve HTTP/1.1, and let a proxy before it speak HTTP/2`,
    );
  const parsed = parseTarget(path);
  let fault = requestFault(req) ?? (parsed.ok ? null : parsed.note);
  if (fault === null && (req as { upgrade?: boolean | null }).upgrade === true && hasBody(req))
    fault = 'an upgrade with a body';
  if (fault === null && parsed.ok && ambiguous?.(req.method ?? '', parsed.path) === true)
    fault = 'a rule names this path in another case, and the framework would take the two for one';
  if (fault !== null || !parsed.ok) return unreadable(protection, req, fault ?? '');
  const own = isDiscovery(parsed.path) ? protection.stack.service(protection.service) : null;
  if (own?.oauth) {
    const refusal = discoveryAnswer({ method: req.method ?? '', path: parsed.path }, own, protection.stack.config);
    return { refusal, principal: null, enforced: true, mcp: null, decided: null };
  }
  return judged(protection, req, { path: parsed.path, target }).admission();
}

/** What a protection said of a request. Its fields are private, so that a request that is printed shows no stack. */
class Judged {
  readonly #protection: Protection;
  readonly #request: NodeRequest;
  readonly #decision: MaybePromise<Decision>;

  constructor(protection: Protection, request: NodeRequest) {
    this.#protection = protection;
    this.#request = request;
    this.#decision = protection.guard.decideNow(request);
  }

  isOf(protection: Protection, method: string | undefined, path: string, target: string): boolean {
    const request = this.#request;
    return (
      this.#protection === protection && request.method === method && request.path === path && request.target === target
    );
  }

  admission(): MaybePromise<Admission> {
    return andThen(this.#decision, (decision) => admitted(this.#protection, this.#request, decision));
  }
}

/** On the request itself: to define it hidden there, or to keep it in a WeakMap, costs a hundred times as much. */
const lastJudged = Symbol('countersign.judged');

interface JudgedMessage extends IncomingMessage {
  [lastJudged]?: Judged;
}

/**
 * What one protection says of a request is said once, however often its guard stands before the handler: asked again, a
 * signature that is good once would be a replay. A request that was changed in between, as frameworks let one, is another.
 */
function judged(
  protection: Protection,
  req: JudgedMessage,
  { path, target }: { readonly path: string; readonly target: string },
): Judged {
  const last = req[lastJudged];
  if (last?.isOf(protection, req.method, path, target)) return last;
  const request = nodeRequest({
    req,
    service: protection.service,
    path,
    target,
    trustedProxies: protection.trustedProxies,
    bodyLimit: protection.maxSignedBody,
    hold: (from, limit, onPiece) =>
      leaveBody(from, limit, onPiece).catch((error: unknown) => unheld(protection, error)),
  });
  const now = new Judged(protection, request);
  req[lastJudged] = now;
  return now;
}

/** A caller is told no more than that nobody can tell, and who has no log would look for the mistake everywhere else. */
function unheld(protection: Protection, error: unknown): never {
  if (error instanceof Error && !(error instanceof BodyError))
    protection.complain(
      `a request with a signed body cannot be judged, which is 503 where that is enforced: ${error.message}`,
    );
  throw error;
}

function admitted(protection: Protection, request: NodeRequest, decision: Decision): Admission {
  const { verdict, outcome, mode, route } = decision;
  const enforced = mode === 'enforce';
  const decided = { request, decision };
  if (verdict === null) return { refusal: null, principal: null, enforced, mcp: null, decided };
  if (verdict.allowed)
    return { refusal: null, principal: verdict.principal, enforced, mcp: enforced ? route.mcp : null, decided };
  const refusal =
    outcome === 'deny' ? unlessDiscovery(protection.guard.refusal(verdict, protection.service), request.path) : null;
  return { refusal, principal: null, enforced, mcp: null, decided };
}

function unreadable(protection: Protection, req: IncomingMessage, note: string): Admission {
  const refusal = recordedRefusal(protection, req, deny('bad_request', note));
  return { refusal, principal: null, enforced: true, mcp: null, decided: null };
}

/** A refusal of a request on which the guard was not asked. */
export function recordedRefusal(protection: Protection, req: IncomingMessage, denied: Denied): Refusal {
  const { stack, guard, service, trustedProxies } = protection;
  stack.audit.refused(denied, refusedRequest(req, service, trustedProxies));
  return guard.refusal(denied, service);
}

/** A refusal of what the guard had let pass: kept beside that decision. */
export function lateRefusal({ stack, guard, service }: Protection, decided: Passed, denied: Denied): Refusal {
  const { method, path, remoteAddress, requestId } = decided.request;
  stack.audit.refused(denied, { method, path, service, remoteAddress, requestId }, decided.decision);
  return guard.refusal(denied, service);
}

/**
 * A handler that was written to stand behind the gateway believes X-Auth-*. Here nobody sets them but the client, so they go,
 * whatever the mode.
 */
function stripIdentity(req: IncomingMessage): void {
  const { rawHeaders } = req;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (!isIdentityHeader(name)) continue;
    delete req.headers[name.toLowerCase()];
    // HTTP/2 and what a test injects have none.
    const distinct = req.headersDistinct as typeof req.headersDistinct | undefined;
    delete distinct?.[name.toLowerCase()];
    rawHeaders.splice(index, 2);
    index -= 2;
  }
}

/** Sends a refusal, unless whoever ends slow requests has answered by now: a second answer would be an error of the process. */
export function sendRefusal(req: IncomingMessage, res: ServerResponse, { status, headers, body }: Refusal): void {
  // One statement each: what wraps writeHead, express-ws for instance, does not always return the answer.
  if (!res.headersSent) {
    res.writeHead(status, headers);
    res.end(body);
  }
  drainBody(req);
}

/**
 * After a refusal: what is left of a body is read and forgotten, so that the connection can serve the next request; beyond a bound
 * the connection ends instead.
 */
export function drainBody(req: IncomingMessage): void {
  if (req.complete || req.destroyed || !hasBody(req)) return;
  discardBody(req, (drained) => {
    // Also what a test injects, which has no socket; destroyed, a request ends its own.
    if (!drained) req.destroy();
  });
}
