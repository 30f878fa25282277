import type { ServerResponse } from 'node:http';
import type { Protection } from '../../compose/protection.ts';
import type { Principal } from '../../core/verdict.ts';

/** Closes a response that is still open when its caller's credential is revoked or expires, within a second. */
export function closeWith(principal: Principal, res: ServerResponse, { stack }: Protection): void {
  const untrack = stack.liveness.track(principal, () => void res.destroy());
  res.on('close', untrack);
}
