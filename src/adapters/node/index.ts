import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { protection, type Protection, type ProtectOptions } from '../../compose/protection/protection.ts';
import { isPromise } from '../../core/maybe-promise.ts';
import type { Principal } from '../../core/verdict.ts';
import { admission, sendRefusal } from '../admission.ts';
import { endWithDecision } from '../end-with-credential.ts';
import { mountedPath, type MountedMessage } from '../mounted-path.ts';
import { otherCase, type OtherCase } from '../other-case.ts';
import { responseOn } from './response-on.ts';

export type { Protection, ProtectOptions } from '../../compose/protection/protection.ts';
export { continueWhenRead } from './continue-when-read.ts';
export type { Principal } from '../../core/verdict.ts';

/** A request that may pass. */
export interface Admitted {
  /** Who was proven; null on a public route, in mode off, and in report mode for a caller who would be refused. */
  readonly principal: Principal | null;
}

/** `const admitted = await guard(req, res); if (!admitted) return;` — null means that the refusal has been sent. */
export interface NodeGuard {
  (req: IncomingMessage, res: ServerResponse): Promise<Admitted | null>;
  /**
   * For the 'upgrade' event of a server, before whatever speaks WebSocket:
   * `const admitted = await guard.upgrade(req, socket); if (!admitted) return; sockets.handleUpgrade(req, socket, head, …)`.
   */
  upgrade(req: IncomingMessage, socket: Duplex): Promise<Admitted | null>;
  /** What it judges by: its guard, and the stack behind it. */
  readonly protection: Protection;
  /** Ends what it follows and closes the store. */
  close(): Promise<void>;
}

/** Beside those of every adapter. */
export interface NodeOptions {
  /**
   * True when whatever routes behind the guard tells /ADMIN from /admin. The routers of Koa and others do not, so a path that a
   * rule names in another case is otherwise refused with 400.
   */
  readonly caseSensitive?: boolean;
}

/**
 * Guards a handler of node:http. Call it before anything reads the body; a signed body can be read again afterwards. An answer
 * or a socket that is open when its credential is revoked or expires is closed within a second.
 */
export async function protect(options: ProtectOptions & NodeOptions): Promise<NodeGuard> {
  return nodeGuard(await protection(options, ['caseSensitive']), options);
}

/** Within a framework `url` may be no more than the rest of a path. */
function asking(shared: Protection, req: MountedMessage, ambiguous: OtherCase | null) {
  return admission(shared, req, mountedPath(req), req.originalUrl, ambiguous);
}

/** The same on a protection that others in this process share. */
export function nodeGuard(shared: Protection, { caseSensitive = false }: NodeOptions = {}): NodeGuard {
  const ambiguous = caseSensitive ? null : otherCase(shared);
  const guard = async (req: IncomingMessage, res: ServerResponse): Promise<Admitted | null> => {
    const asked = asking(shared, req, ambiguous);
    const { refusal, principal, decided } = isPromise(asked) ? await asked : asked;
    if (refusal === null) {
      endWithDecision(decided, shared, req, res);
      return { principal };
    }
    sendRefusal(req, res, refusal);
    return null;
  };

  const upgrade = async (req: IncomingMessage, socket: Duplex): Promise<Admitted | null> => {
    // node:http has let go of the socket, so nobody else would hear of a client that goes away meanwhile.
    socket.on('error', () => socket.destroy());
    const { refusal, principal, decided } = await asking(shared, req, ambiguous);
    // Sent behind a request that has no answer yet, it may not overtake that answer.
    if (responseOn(socket)) socket.destroy();
    if (socket.destroyed) return null;
    if (refusal === null) {
      endWithDecision(decided, shared, req);
      return { principal };
    }
    const res = new ServerResponse(req);
    res.shouldKeepAlive = false;
    // The same in all that is used here: an upgrade hands on the socket as a Duplex.
    res.assignSocket(socket as Socket);
    res.on('finish', () => socket.end(() => socket.destroy()));
    res.writeHead(refusal.status, refusal.headers).end(refusal.body);
    return null;
  };
  return Object.assign(guard, { upgrade, protection: shared, close: () => shared.close() });
}
