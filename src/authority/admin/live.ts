import type { ServerResponse } from 'node:http';
import type { Stack } from '../../compose/stack.ts';
import { decisionLine } from './decision-list.ts';
import type { Handler } from '../exchange.ts';
import { operatorOf } from '../login/operator-caller.ts';
import type { Operators } from '../login/operators.ts';
import { COMMON_HEADERS, DEV_HEADER, refusalReply } from '../reply.ts';
import { noCounts } from './traffic.ts';
import { isRefused, refusedBy } from '../refused.ts';
import { lastDecision } from '../../core/last-decision.ts';
import { deny } from '../../core/verdict.ts';

export interface Live {
  /** GET /admin/api/live: server-sent events. */
  readonly handle: Handler;
  close(): void;
}

interface Listener {
  readonly res: ServerResponse;
  readonly who: string;
  /** Whether whoever listens still may. */
  readonly isWelcome: () => Promise<boolean>;
}

const tickMillis = 1000;
const listenersMax = 64;
/** Of one person: whoever may only look must not keep out those who act. */
const listenersOfOneMax = 16;
const readMax = 1000;
const shownMax = 50;
/** Of one who does not read, so many bytes are kept before it is cut off. */
const pendingMax = 1_048_576;
const judgedEveryTicks = 5;

interface Told {
  /** Numbers of the last decision and of the last event. */
  decision: number;
  change: number;
  /** The ramp's state, as text. */
  ramp: string;
}

/**
 * What is decided, and that something was changed, told as it happens. The store is read once a second for all who listen, so that
 * what other replicas do is in it; while nobody listens nothing is read.
 */
export function liveEndpoint(stack: Stack, operators: Operators): Live {
  const listeners = new Set<Listener>();
  let timer: NodeJS.Timeout | null = null;
  /** What was told last; null: nobody listened until now. */
  let told: Told | null = null;
  let ticks = 0;
  let closed = false;

  function later(): void {
    if (closed || timer !== null || listeners.size === 0) return;
    timer = setTimeout(() => void tick(), tickMillis);
    timer.unref();
  }

  async function tick(): Promise<void> {
    try {
      ticks += 1;
      if (ticks % judgedEveryTicks === 0) await judge();
      const last = await begin();
      tell((await decided(last)) + (await changed(last)) + ramped(last));
    } catch {
      // The store is away: the stream says nothing new until it is back.
      tell(': idle\n\n');
    } finally {
      timer = null;
      if (listeners.size === 0) told = null;
      later();
    }
  }

  /** From where on all is told: whoever listens asks for what was before as soon as the stream is open. */
  async function begin(): Promise<Told> {
    if (told !== null) return told;
    const decision = await lastDecision(stack.store.decisions);
    const now = { decision, change: await newestChange(), ramp: JSON.stringify(stack.ramp.state()) };
    // Two may begin at once.
    return (told ??= now);
  }

  async function decided(last: Told): Promise<string> {
    await stack.audit.flush();
    const { decisions } = stack.store;
    const rows = await decisions.list({ after: last.decision, limit: readMax });
    if (rows.length === 0) return ': idle\n\n';
    const partial = rows.length === readMax;
    // Whoever fell behind goes on with what is new, and in the next second, too.
    last.decision = partial ? await lastDecision(decisions) : (rows.at(-1)?.sequence ?? last.decision);
    const counts = noCounts();
    for (const { outcome } of rows) counts[outcome] += 1;
    const data = { ...counts, partial, decisions: rows.slice(-shownMax).map(decisionLine) };
    return eventText('decisions', data);
  }

  /** Who asks for what is behind the last number that it has misses nothing, however much came at once. */
  async function changed(last: Told): Promise<string> {
    const newest = await newestChange();
    const known = last.change;
    last.change = newest;
    return newest === known ? '' : eventText('changes', { sequence: newest });
  }

  async function newestChange(): Promise<number> {
    return (await stack.store.events.head('events'))?.sequence ?? 0;
  }

  function ramped(last: Told): string {
    const now = JSON.stringify(stack.ramp.state());
    const known = last.ramp;
    last.ramp = now;
    return now === known ? '' : eventText('ramp', {});
  }

  async function judge(): Promise<void> {
    for (const listener of listeners) if (!(await listener.isWelcome())) end(listener);
  }

  function tell(text: string): void {
    for (const listener of listeners) {
      if (listener.res.writableLength > pendingMax) listener.res.destroy();
      else listener.res.write(text);
    }
  }

  function end(listener: Listener): void {
    listeners.delete(listener);
    listener.res.end();
  }

  return {
    async handle(exchange) {
      const caller = await operatorOf(exchange, operators);
      if (isRefused(caller)) return refusalReply(caller);
      const who = caller.principal.id;
      const own = [...listeners].filter((listener) => listener.who === who).length;
      if (closed || listeners.size >= listenersMax || own >= listenersOfOneMax)
        return refusalReply(refusedBy(deny('unavailable', 'too many listen', { retryAfter: 5 })));
      const { res, req } = exchange;
      res.writeHead(200, {
        ...COMMON_HEADERS,
        'content-type': 'text/event-stream',
        ...(stack.devMode && { [DEV_HEADER]: 'unauthenticated' }),
      });
      if (req.method === 'HEAD') {
        res.end();
        return null;
      }
      const token = caller.session?.token;
      const isWelcome = async (): Promise<boolean> =>
        token === undefined || (await operators.sessions.peek(token)) !== null;
      const listener: Listener = { res, who, isWelcome };
      listeners.add(listener);
      res.on('close', () => listeners.delete(listener));
      res.on('error', () => listeners.delete(listener));
      later();
      // Where the store is away, the next second tries again.
      await begin().catch(() => undefined);
      res.write(': here\n\n');
      return null;
    },
    close() {
      closed = true;
      if (timer) clearTimeout(timer);
      for (const listener of listeners) end(listener);
    },
  };
}

function eventText(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
