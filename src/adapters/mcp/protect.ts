import type { IncomingMessage, ServerResponse } from 'node:http';
import { protection, type Protection, type ProtectOptions } from '../../compose/protection/protection.ts';
import type { Passed } from '../../core/lasting.ts';
import type { Refusal } from '../../core/refusal.ts';
import { deny } from '../../core/verdict.ts';
import { admission, lateRefusal, sendRefusal } from '../admission.ts';
import { endWithDecision } from '../end-with-credential.ts';
import { mountedPath } from '../mounted-path.ts';
import { otherCase } from '../other-case.ts';
import { authInfoOf, type SdkAuthInfo } from './auth-info.ts';
import { shortenLists } from './shortened-lists.ts';

declare global {
  namespace Express {
    interface Request {
      /** Who was proven, as both SDKs' transports look for it; none where nobody was. */
      auth?: SdkAuthInfo;
    }
  }
}

/** As much of a request of node:http or Express as is used here. */
export interface McpRequest extends IncomingMessage {
  /** Set for a proven caller; both SDKs' transports hand it to the handlers. */
  auth?: SdkAuthInfo;
  /** Express: the path up to where the guard is mounted. */
  baseUrl?: string;
  /** Express: what the client sent. */
  originalUrl?: string;
}

/** Express's middleware, and for node:http `createServer((req, res) => guard(req, res, () => handler(req, res)))`. */
export interface McpGuard {
  (req: McpRequest, res: ServerResponse, next: () => void): Promise<void>;
  /** What it judges by: its guard, and the stack behind it. */
  readonly protection: Protection;
  /** Ends what it follows and closes the store. */
  close(): Promise<void>;
}

/** Beside those of every adapter. */
export interface McpOptions {
  /**
   * True when whatever routes behind the guard tells /MCP from /mcp. Express does not, so a path that a rule names in another
   * case is otherwise refused with 400.
   */
  readonly caseSensitive?: boolean;
}

/**
 * Guards an MCP endpoint with everything the gateway has: every scheme, routes, policies, modes, report. It stands before
 * whatever reads bodies. A stream that is open when its credential is revoked or expires is closed within a second.
 */
export async function protect(options: ProtectOptions & McpOptions): Promise<McpGuard> {
  return mcpGuard(await protection(options, ['caseSensitive']), options);
}

/** The same on a protection that others in this process share. */
export function mcpGuard(shared: Protection, { caseSensitive = false }: McpOptions = {}): McpGuard {
  const { stack } = shared;
  const ambiguous = caseSensitive ? null : otherCase(shared);

  async function guarded(req: McpRequest, res: ServerResponse, next: () => void): Promise<void> {
    const admitted = await admission(shared, req, mountedPath(req), req.originalUrl, ambiguous);
    const { refusal, principal, enforced, mcp, decided } = admitted;
    if (refusal !== null) {
      sendRefusal(req, res, refusal);
      return;
    }
    // Whatever stood here was not put there by this guard.
    delete req.auth;
    if (principal !== null) {
      req.auth = authInfoOf(principal, { now: stack.clock(), enforced });
      if (mcp !== null && decided !== null)
        shortenLists(req, res, { principal, rules: mcp, refuse: (what) => notLookedInto(decided, what) });
    }
    endWithDecision(decided, shared, req, res);
    next();
  }

  /** What is not judged is not let out, whoever is to blame. */
  function notLookedInto(decided: Passed, what: string): Refusal {
    const note = `the lists in the answer cannot be shortened for this caller: it has ${what}`;
    return lateRefusal(shared, decided, deny('unavailable', note));
  }

  return Object.assign(guarded, { protection: shared, close: () => shared.close() });
}
