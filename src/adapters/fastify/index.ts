// Makes the module known whose types are added to below; nothing of it is imported.
/// <reference types="fastify" />
import type { ServerResponse } from 'node:http';
import { protection, type Protection, type ProtectOptions } from '../../compose/protection/protection.ts';
import { andThen, type MaybePromise } from '../../core/maybe-promise.ts';
import type { Principal } from '../../core/verdict.ts';
import { admission, drainBody } from '../admission.ts';
import { endWithDecision } from '../end-with-credential.ts';
import { mountedPath, type MountedMessage } from '../mounted-path.ts';
import { foldedUnicode, otherCase, type OtherCase } from '../other-case.ts';

export type { Protection, ProtectOptions } from '../../compose/protection/protection.ts';
export type { Principal } from '../../core/verdict.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who was proven; null on a public route, in mode off, and in report mode for a caller who would be refused. */
    principal: Principal | null;
  }
}

/** As much of Fastify's request, reply and instance as is used here. */
interface RequestPart {
  readonly raw: MountedMessage;
  readonly originalUrl: string;
  principal: Principal | null;
}

interface ReplyPart {
  readonly raw: ServerResponse;
  code(status: number): unknown;
  headers(values: Record<string, string>): unknown;
  send(body: Buffer | Error): unknown;
}

interface InstancePart {
  readonly initialConfig: {
    readonly caseSensitive?: boolean;
    readonly routerOptions?: { readonly caseSensitive?: boolean };
  };
  hasRequestDecorator(name: 'principal'): boolean;
  decorateRequest(name: 'principal', value: null): unknown;
  addHook(name: 'onRequest', hook: (request: RequestPart, reply: ReplyPart, done: () => void) => void): unknown;
  addHook(name: 'onClose', hook: () => Promise<void>): unknown;
}

/** A plug-in of Fastify. */
export interface FastifyGuard {
  (instance: InstancePart): Promise<void>;
  /**
   * `fastify({ frameworkErrors: guard.frameworkErrors })`: what Fastify answers before any hook, a path such as /a%zz, is then
   * judged and recorded too, and refused in our words.
   */
  frameworkErrors(error: Error & { readonly statusCode?: number }, request: RequestPart, reply: unknown): void;
  /** What it judges by: its guard, and the stack behind it. */
  readonly protection: Protection;
  /** Ends what it follows and closes the store. */
  close(): Promise<void>;
}

/**
 * `await app.register(await protect({ … }))`: a plug-in whose hook runs before bodies are parsed, for every route of the
 * instance that it is registered with and those below. It is closed with the instance.
 */
export async function protect(options: ProtectOptions): Promise<FastifyGuard> {
  return guardOn(await protection(options), 'closes');
}

/** The same on a protection that others in this process share: whoever made it closes it. */
export function fastifyGuard(shared: Protection): FastifyGuard {
  return guardOn(shared, 'leaves');
}

function guardOn(shared: Protection, atEnd: 'closes' | 'leaves'): FastifyGuard {
  const plugin = async (instance: InstancePart): Promise<void> => {
    const { routerOptions, caseSensitive: whole = true } = instance.initialConfig;
    // Fastify takes each option from either place.
    const caseSensitive = routerOptions?.caseSensitive ?? whole;
    const ambiguous = caseSensitive ? null : otherCase(shared, foldedUnicode);
    // A part of an application may ask for more than the whole, and has a guard of its own then.
    if (!instance.hasRequestDecorator('principal')) instance.decorateRequest('principal', null);
    instance.addHook('onRequest', (request, reply, done) => void admit(shared, ambiguous, request, reply, done));
    if (atEnd === 'closes') instance.addHook('onClose', () => shared.close());
  };
  const frameworkErrors: FastifyGuard['frameworkErrors'] = (error, request, reply) => {
    // Fastify's type for `send` here asks for the body of a route that there is not.
    const answer = reply as ReplyPart;
    // One that may pass gets what Fastify would have said.
    const passed = () => {
      answer.code(error.statusCode ?? 400);
      answer.send(error);
    };
    void admit(shared, null, request, answer, passed);
  };
  return Object.assign(plugin, {
    frameworkErrors,
    protection: shared,
    close: () => shared.close(),
    // What fastify-plugin sets: the hook is meant for whoever registers it, not for an instance of its own.
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'countersign',
  });
}

function admit(
  shared: Protection,
  ambiguous: OtherCase | null,
  request: RequestPart,
  reply: ReplyPart,
  done: () => void,
): MaybePromise<void> {
  const { raw, originalUrl } = request;
  // Where Fastify rewrites a path by itself, the new one counts; where Express mounts it, the mount does too.
  const path = raw.baseUrl === undefined ? raw.url : mountedPath(raw);
  return andThen(admission(shared, raw, path, originalUrl, ambiguous), ({ refusal, principal, decided }) => {
    if (refusal === null) {
      request.principal = principal;
      endWithDecision(decided, shared, raw, reply.raw);
      done();
      return;
    }
    reply.code(refusal.status);
    reply.headers({ ...refusal.headers });
    // As bytes, to which Fastify adds no charset.
    reply.send(Buffer.from(refusal.body));
    drainBody(raw);
  });
}
