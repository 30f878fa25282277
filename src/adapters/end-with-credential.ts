import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Protection } from '../compose/protection/protection.ts';
import { Lasting, type Passed } from '../core/lasting.ts';
import type { Principal } from '../core/verdict.ts';
import { lateRefusal } from './admission.ts';

/** What was let in, and lasts perhaps. */
interface Opened {
  readonly stream: ServerResponse | Duplex;
  /** Begins to hold it to what is enforced, for as long as it is open. */
  readonly hold: (end: () => void) => () => void;
}

type Upgradable = IncomingMessage & { readonly upgrade?: boolean | null };

const sweepMillis = 250;
let opened: Opened[] = [];
const lasting = new Set<Lasting>();
let sweeper: NodeJS.Timeout | null = null;

/**
 * Ends an answer that is still open, or a connection that was upgraded, when its caller's credential is revoked or expires,
 * within a second. Only an upgraded request comes without `res`.
 */
export function endWithCredential(
  principal: Principal,
  shared: Protection,
  req: Upgradable,
  res?: ServerResponse,
): void {
  look(streamOf(req, res), (end) => shared.stack.liveness.track(principal, end));
}

/** The same of what was let in, while it is enforced; and what is open to somebody who would be refused by now is ended. */
export function endWithDecision(
  decided: Passed | null,
  shared: Protection,
  req: Upgradable,
  res?: ServerResponse,
): void {
  if (decided === null) return;
  look(streamOf(req, res), (end) => sweptOver(lastingOf(decided, shared, end)));
}

function lastingOf(decided: Passed, shared: Protection, end: () => void): Lasting {
  return new Lasting(decided, shared.stack, (denied, isRefusal) => {
    if (isRefusal) lateRefusal(shared, decided, denied);
    end();
  });
}

/** After an upgrade the answer is over at once, and what lasts is the socket. */
function streamOf(req: Upgradable, res: ServerResponse | undefined): Opened['stream'] | undefined {
  return req.upgrade === true ? req.socket : res;
}

function look(stream: Opened['stream'] | undefined, hold: Opened['hold']): void {
  if (stream === undefined) return;
  // Most answers are whole before the turn ends, and need no watching.
  if (opened.push({ stream, hold }) === 1) setImmediate(lookAtOpened);
}

function lookAtOpened(): void {
  const list = opened;
  opened = [];
  for (const { stream, hold } of list) {
    // One that has closed says so no more: watched now, it would be held for ever.
    if (stream.destroyed || ('req' in stream && stream.writableFinished)) continue;
    stream.once(
      'close',
      hold(() => void stream.destroy()),
    );
  }
}

function sweptOver(one: Lasting): () => void {
  lasting.add(one);
  one.look();
  sweeper ??= setInterval(sweep, sweepMillis).unref();
  return () => {
    one.release();
    lasting.delete(one);
    if (lasting.size > 0 || sweeper === null) return;
    clearInterval(sweeper);
    sweeper = null;
  };
}

function sweep(): void {
  for (const one of lasting) one.look();
}
