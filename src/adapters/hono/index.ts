// Makes the module known whose types are added to below; nothing of it is imported.
/// <reference types="hono" />
import { createServer, type RequestListener, type ServerOptions, type ServerResponse } from 'node:http';
import { protection, type Protection, type ProtectOptions } from '../../compose/protection/protection.ts';
import { isPromise } from '../../core/maybe-promise.ts';
import { isIdentityHeader } from '../../core/identity.ts';
import { parseTarget } from '../../core/target.ts';
import { deny, type Principal } from '../../core/verdict.ts';
import { admission, recordedRefusal, sendRefusal } from '../admission.ts';
import { endWithDecision } from '../end-with-credential.ts';
import { mountedPath, type MountedMessage } from '../mounted-path.ts';

export type { Protection, ProtectOptions } from '../../compose/protection/protection.ts';
export type { Principal } from '../../core/verdict.ts';

declare module 'hono' {
  interface ContextVariableMap {
    /** Who was proven; null on a public route, in mode off, and in report mode for a caller who would be refused. */
    principal: Principal | null;
  }
}

/** As much of Hono's context as is used here. */
interface ContextPart {
  readonly env: unknown;
  readonly req: { readonly raw: Request };
  set(name: 'principal', value: Principal | null): void;
}

/** Middleware of Hono, on @hono/node-server. */
export interface HonoGuard {
  (context: ContextPart, next: () => Promise<void>): Promise<Response | void>;
  /**
   * `serve({ fetch: app.fetch, createServer: guard.createServer })`: what @hono/node-server answers before any middleware, a
   * path with a backslash, is then recorded, and refused in our words.
   */
  readonly createServer: typeof createServer;
  /** What it judges by: its guard, and the stack behind it. */
  readonly protection: Protection;
  /** Ends what it follows and closes the store. */
  close(): Promise<void>;
}

/**
 * `app.use(await protect({ … }))`, on @hono/node-server: a Request alone has joined the header lines and rewritten the path
 * that signatures cover, so node:http's own request is asked.
 */
export async function protect(options: ProtectOptions): Promise<HonoGuard> {
  return honoGuard(await protection(options));
}

/** The same on a protection that others in this process share. */
export function honoGuard(shared: Protection): HonoGuard {
  const guard = async (context: ContextPart, next: () => Promise<void>): Promise<Response | void> => {
    const { incoming, outgoing } = bindings(context.env);
    // An overridden method comes in a new Request with the old one's node:http request; what counts is what is routed by.
    incoming.method = context.req.raw.method;
    const mayBeCopied = incoming.rawHeaders.some(isIdentityHeader);
    const admitted = admission(shared, incoming, mountedPath(incoming), incoming.originalUrl);
    const { refusal, principal, decided } = isPromise(admitted) ? await admitted : admitted;
    if (mayBeCopied) stripCopies(context.req.raw.headers);
    if (refusal !== null) return new Response(refusal.body, refusal);
    context.set('principal', principal);
    endWithDecision(decided, shared, incoming, outgoing);
    return next();
  };
  return Object.assign(guard, {
    createServer: serverMaker(shared),
    protection: shared,
    close: () => shared.close(),
  });
}

/** Whoever read the header lines before the guard, or made a Request of its own, has a copy of them. */
function stripCopies(headers: Headers): void {
  const names = Array.from(headers.keys());
  for (const name of names) if (isIdentityHeader(name)) headers.delete(name);
}

function serverMaker(shared: Protection): typeof createServer {
  const guarded = (listener: RequestListener): RequestListener => {
    return (req, res) => {
      const target = req.url ?? '';
      const parsed = target.includes('\\') ? parseTarget(target) : null;
      if (parsed === null || parsed.ok) return listener(req, res);
      sendRefusal(req, res, recordedRefusal(shared, req, deny('bad_request', parsed.note)));
    };
  };
  const make = (options: ServerOptions, listener: RequestListener) => createServer(options, guarded(listener));
  // As @hono/node-server calls it; what it asks for is the type of all that node:http has.
  return make as typeof createServer;
}

/** As much of what @hono/node-server hands on as is used here; an upgraded request has no `outgoing`. */
interface NodeBindings {
  readonly incoming: MountedMessage;
  readonly outgoing?: ServerResponse;
}

function bindings(env: unknown): NodeBindings {
  const found = env as Partial<NodeBindings> | null;
  if (!found?.incoming?.rawHeaders)
    throw new TypeError('countersign/hono needs @hono/node-server, which hands on node:http requests');
  return found as NodeBindings;
}
