import type { IncomingMessage, ServerResponse } from 'node:http';
import { protection, type Protection, type ProtectOptions } from '../../compose/protection.ts';
import { isPromise } from '../../core/maybe-promise.ts';
import type { Principal } from '../../core/verdict.ts';
import { admission, drainBody } from '../admission.ts';

export type { Protection, ProtectOptions } from '../../compose/protection.ts';
export type { Principal } from '../../core/verdict.ts';

/** A request that may pass. */
export interface Admitted {
  /** Who was proven; null on a public route, in mode off, and in report mode for a caller who would be refused. */
  readonly principal: Principal | null;
}

/** `const admitted = await guard(req, res); if (!admitted) return;` — null means that the refusal has been sent. */
export interface NodeGuard {
  (req: IncomingMessage, res: ServerResponse): Promise<Admitted | null>;
  readonly protection: Protection;
  close(): Promise<void>;
}

/** Guards a handler of node:http. Call it before anything reads the body; a signed body can be read again afterwards. */
export async function protect(options: ProtectOptions): Promise<NodeGuard> {
  return nodeGuard(await protection(options));
}

/** The same on a protection that others in this process share. */
export function nodeGuard(shared: Protection): NodeGuard {
  const guard = async (req: IncomingMessage, res: ServerResponse): Promise<Admitted | null> => {
    const asked = admission(shared, req);
    const admitted = isPromise(asked) ? await asked : asked;
    if (admitted.refusal === null) return admitted;
    const { status, headers, body } = admitted.refusal;
    res.writeHead(status, headers).end(body);
    drainBody(req);
    return null;
  };
  return Object.assign(guard, { protection: shared, close: () => shared.close() });
}
