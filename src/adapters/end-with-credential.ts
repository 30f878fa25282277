import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Protection } from '../compose/protection.ts';
import type { Principal } from '../core/verdict.ts';

interface Open {
  readonly principal: Principal;
  readonly stream: ServerResponse | Duplex;
  readonly shared: Protection;
}

let opened: Open[] = [];

/**
 * Ends an answer that is still open, or a connection that was upgraded, when its caller's credential is revoked or expires,
 * within a second. Only an upgraded request comes without `res`.
 */
export function endWithCredential(
  principal: Principal,
  shared: Protection,
  req: IncomingMessage & { readonly upgrade?: boolean | null },
  res?: ServerResponse,
): void {
  // After an upgrade the answer is over at once, and what lasts is the socket.
  const stream = req.upgrade === true ? req.socket : res;
  if (stream === undefined) return;
  // Most answers are whole before the turn ends, and need no watching.
  if (opened.push({ principal, stream, shared }) === 1) setImmediate(watchOpened);
}

function watchOpened(): void {
  const list = opened;
  opened = [];
  for (const { principal, stream, shared } of list) {
    // One that has closed says so no more: watched now, it would be held for ever.
    if (stream.destroyed || ('req' in stream && stream.writableFinished)) continue;
    stream.once(
      'close',
      shared.stack.liveness.track(principal, () => void stream.destroy()),
    );
  }
}
