import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Protection } from '../compose/protection/protection.ts';
import type { Decision } from '../core/decision.ts';
import { isEnforced } from '../core/enforced.ts';
import type { Principal } from '../core/verdict.ts';
import type { Decided } from './admission.ts';

interface Open {
  /** Null for a caller who would be refused, and where nobody was asked. */
  readonly principal: Principal | null;
  /** By which it was let in; null where that is enforced, whatever the modes say. */
  readonly decision: Decision | null;
  readonly stream: ServerResponse | Duplex;
  readonly shared: Protection;
}

type Upgradable = IncomingMessage & { readonly upgrade?: boolean | null };

const sweepMillis = 250;
let opened: Open[] = [];
/** What lasts where nothing is enforced yet. */
const waiting = new Set<Open>();
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
  look(principal, null, shared, streamOf(req, res));
}

/** The same of what was let in, once it is enforced; and where that begins, what is open to somebody who would be refused is ended. */
export function endWithDecision(
  decided: Decided | null,
  shared: Protection,
  req: Upgradable,
  res?: ServerResponse,
): void {
  const decision = decided?.decision ?? null;
  if (decision === null || decision.outcome === 'public') return;
  const principal = decision.verdict?.allowed === true ? decision.verdict.principal : null;
  look(principal, decision, shared, streamOf(req, res));
}

/** After an upgrade the answer is over at once, and what lasts is the socket. */
function streamOf(req: Upgradable, res: ServerResponse | undefined): Open['stream'] | undefined {
  return req.upgrade === true ? req.socket : res;
}

function look(
  principal: Principal | null,
  decision: Decision | null,
  shared: Protection,
  stream: Open['stream'] | undefined,
): void {
  if (stream === undefined) return;
  // Most answers are whole before the turn ends, and need no watching.
  if (opened.push({ principal, decision, stream, shared }) === 1) setImmediate(lookAtOpened);
}

function lookAtOpened(): void {
  const list = opened;
  opened = [];
  for (const open of list) {
    const { stream } = open;
    // One that has closed says so no more: watched now, it would be held for ever.
    if (stream.destroyed || ('req' in stream && stream.writableFinished)) continue;
    if (mayBeCut(open)) hold(open);
    else wait(open);
  }
}

function mayBeCut({ decision, shared }: Open): boolean {
  return decision === null || isEnforced(decision, shared.stack.modes);
}

function hold({ principal, stream, shared }: Open): void {
  if (principal === null) return void stream.destroy();
  stream.once(
    'close',
    shared.stack.liveness.track(principal, () => void stream.destroy()),
  );
}

/** In report mode nothing is refused, so nothing is cut off either. */
function wait(open: Open): void {
  waiting.add(open);
  open.stream.once('close', () => waiting.delete(open));
  sweeper ??= setInterval(sweep, sweepMillis).unref();
}

function sweep(): void {
  for (const open of waiting) if (mayBeCut(open) && waiting.delete(open)) hold(open);
  if (waiting.size > 0 || sweeper === null) return;
  clearInterval(sweeper);
  sweeper = null;
}
