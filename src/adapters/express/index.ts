import type { IncomingMessage, ServerResponse } from 'node:http';
import { protection, type Protection, type ProtectOptions } from '../../compose/protection/protection.ts';
import { andThen, isPromise } from '../../core/maybe-promise.ts';
import type { Principal } from '../../core/verdict.ts';
import { admission, sendRefusal } from '../admission.ts';
import { endWithDecision } from '../end-with-credential.ts';
import { mountedPath } from '../mounted-path.ts';
import { otherCase } from '../other-case.ts';

export type { Protection, ProtectOptions } from '../../compose/protection/protection.ts';
export type { Principal } from '../../core/verdict.ts';

declare global {
  namespace Express {
    interface Request {
      /** Who was proven; null on a public route, in mode off, and in report mode for a caller who would be refused. */
      principal: Principal | null;
    }
  }
}

/** As much of Express's request as is used here. */
export interface ExpressRequest extends IncomingMessage {
  url: string;
  originalUrl: string;
  baseUrl: string;
  principal: Principal | null;
}

/** Middleware of Express. */
export interface ExpressGuard {
  (req: ExpressRequest, res: ServerResponse, next: (error?: unknown) => void): void;
  /** What it judges by: its guard, and the stack behind it. */
  readonly protection: Protection;
  /** Ends what it follows and closes the store. */
  close(): Promise<void>;
}

/** Beside those of every adapter. */
export interface ExpressOptions {
  /**
   * True when every router of the application is made with case-sensitive routing. Express ignores case otherwise, so a path
   * that a rule names in another case is then refused with 400.
   */
  readonly caseSensitive?: boolean;
}

/**
 * `app.use(await protect({ … }))`, before body parsers: a signed body is verified as it came and parsed afterwards. It may be
 * mounted anywhere; routes are written from the root of the service.
 */
export async function protect(options: ProtectOptions & ExpressOptions): Promise<ExpressGuard> {
  return expressGuard(await protection(options, ['caseSensitive']), options);
}

/** The same on a protection that others in this process share. */
export function expressGuard(shared: Protection, { caseSensitive = false }: ExpressOptions = {}): ExpressGuard {
  const ambiguous = caseSensitive ? null : otherCase(shared);
  const guard = (req: ExpressRequest, res: ServerResponse, next: (error?: unknown) => void): void => {
    const admitted = admission(shared, req, mountedPath(req), req.originalUrl, ambiguous);
    const done = andThen(admitted, ({ refusal, principal, decided }) => {
      if (refusal === null) {
        req.principal = principal;
        endWithDecision(decided, shared, req, res);
        next();
      } else {
        sendRefusal(req, res, refusal);
      }
    });
    // No promise is returned: a router that awaits one, that of restify, would go on to the handler after a refusal. So what is thrown
    // behind it, by a handler say, is told here; nobody else would catch it, and the process would end.
    if (isPromise(done)) done.catch((error: unknown) => setImmediate(next, error));
  };
  return Object.assign(guard, { protection: shared, close: () => shared.close() });
}
