import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Command } from './command.ts';
import { isModern, isOpening, readMessages, type Hold } from './messages.ts';
import { rpcError } from './peer.ts';
import { Seat } from './seat.ts';
import type { Watchdog } from './watchdog.ts';
import { LOOPBACK_NAMES } from '../core/address.ts';
import { messageOf } from '../core/message-of.ts';

/** One MCP server that is run here, as its callers see it: streamable HTTP in both eras of the protocol. */
export interface StdioService {
  handle(req: IncomingMessage, res: ServerResponse): void;
  /** Called every now and then. `now`: milliseconds. */
  sweep(now: number): void;
  /** By process group; each process has a memory of its own to answer for. */
  memory(use: ReadonlyMap<number, number>): void;
  groups(): Iterable<number>;
  /** Ends every process; resolves when they are gone. */
  close(): Promise<void>;
}

/** Set by the gateway; nobody else speaks to this side. */
const callerHeader = 'x-auth-principal';
const modeHeader = 'x-auth-mode';

/** A process that ended sooner than this was not to be started again at once. */
const settledMillis = 10_000;
const backoffMillisMax = 60_000;

export interface StdioServiceOptions {
  readonly command: Command;
  readonly dog: Watchdog;
  readonly hold: Hold;
  readonly say: (text: string) => void;
}

export function stdioService({ command, dog, hold, say }: StdioServiceOptions): StdioService {
  const seats = new Set<Seat>();
  /** Told to end, and still there: they count, or there could be any number of them. */
  const leaving = new Set<Seat>();
  const sessions = new Map<string, Seat>();
  /** Of each caller whose revision has no sessions. */
  const shared = new Map<string, Seat>();
  /** Callers whose last processes ended at once: how often in a row, and until when no new one is started. */
  const failures = new Map<string, { count: number; until: number }>();
  let closed = false;

  function ended(seat: Seat, how: string, asked: boolean): void {
    forget(seat);
    const unasked = !asked && !closed;
    if (unasked && (!seat.proven || performance.now() - seat.began < settledMillis)) {
      const count = (failures.get(seat.caller)?.count ?? 0) + 1;
      // Once may be chance.
      const wait = count === 1 ? 0 : Math.min(backoffMillisMax, 500 * 2 ** (count - 1));
      failures.set(seat.caller, { count, until: performance.now() + wait });
    } else failures.delete(seat.caller);
    if (unasked) say(`${command.service}[${seat.process.pid}] ended unasked: ${how}`);
  }

  function forget(seat: Seat): void {
    seats.delete(seat);
    if (seat.session !== null) sessions.delete(seat.session);
    if (shared.get(seat.caller) === seat) shared.delete(seat.caller);
  }

  function end(seat: Seat): void {
    forget(seat);
    leaving.add(seat);
    void seat.process.end().then(() => leaving.delete(seat));
  }
  /** A text says why there is none. */
  function newSeat(caller: string, session: string | null): Seat | string {
    const now = performance.now();
    if (closed) return 'the server is being ended';
    if ((failures.get(caller)?.until ?? 0) > now) return 'the server keeps ending; it is started again in a while';
    const own = [...seats].filter((seat) => seat.caller === caller);
    const full = own.length >= command.perCaller;
    const [longest] = own.filter((seat) => !seat.busy).sort((a, b) => b.idleMillis(now) - a.idleMillis(now));
    if (full && !longest) return 'too many processes of this caller are busy';
    // Or a caller who opens sessions without end would keep the others out with processes that are ending.
    const ending = [...leaving].filter((seat) => seat.caller === caller).length;
    if (ending >= command.perCaller) return 'too many processes of this caller are ending';
    if (seats.size + leaving.size - (full ? 1 : 0) >= command.max) return 'too many processes are running';
    if (full && longest) end(longest);
    try {
      const seat = new Seat({ command, dog, caller, session, say, onEnd: ended });
      seats.add(seat);
      if (session !== null) sessions.set(session, seat);
      return seat;
    } catch (error) {
      say(`${command.service}: ${messageOf(error)}`);
      return 'the server cannot be started';
    }
  }

  function seatOf(req: IncomingMessage): Seat | null {
    const seat = sessions.get(String(req.headers['mcp-session-id']));
    // Where nothing is enforced, who would be refused is nobody here, and goes on in the session all the same.
    return seat && (seat.caller === callerOf(req) || req.headers[modeHeader] !== 'enforce') ? seat : null;
  }

  async function post(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const caller = callerOf(req);
    const read = await readMessages(hold(req, res, command.messageBytesMax, caller));
    if (res.destroyed) return;
    if (!read.ok) return read.status === 503 ? busy(res, read.words) : refuse(res, read.status, -32700, read.words);
    const { messages } = read;
    if (req.headers['mcp-session-id'] !== undefined) {
      const seat = seatOf(req);
      return seat ? seat.post(req, res, messages) : noSession(res);
    }
    const opening = messages.length === 1 && isOpening(messages[0]);
    if (!opening && !messages.every(isModern)) return refuse(res, 400, -32000, 'Mcp-Session-Id is missing');
    const seat = opening
      ? newSeat(caller, globalThis.crypto.randomUUID())
      : (shared.get(caller) ?? newSeat(caller, null));
    if (typeof seat === 'string') return busy(res, seat);
    seat.post(req, res, messages);
    if (opening) return;
    // Two callers of whom nothing is proven may be two people.
    if (caller === '') res.on('close', () => end(seat));
    else shared.set(caller, seat);
  }

  return {
    handle(req, res) {
      res.on('error', () => undefined);
      if (callerOf(req) === '' && !isOwnPage(req.headers.origin, command.origins())) {
        req.resume();
        return refuse(res, 403, -32000, 'The page that calls is of an Origin that is not allowed here');
      }
      if (req.method === 'POST') {
        void post(req, res).catch(() => refuse(res, 500, -32603, 'Internal error'));
        return;
      }
      req.resume();
      if (req.method !== 'GET' && req.method !== 'DELETE') return refuse(res, 405, -32000, 'Method not allowed');
      if (req.headers['mcp-session-id'] === undefined)
        return refuse(res, 405, -32000, 'There is no session to listen to');
      const seat = seatOf(req);
      if (!seat) return noSession(res);
      if (req.method === 'DELETE') {
        end(seat);
        res.writeHead(204).end();
      } else if (!seat.listen(res)) refuse(res, 409, -32000, 'This session has a listener already');
    },
    sweep(now) {
      for (const seat of seats) {
        seat.expire(now);
        if (seat.useless || seat.idleMillis(now) > command.idleMillis) end(seat);
      }
      for (const [caller, { until }] of failures) if (now - until > backoffMillisMax) failures.delete(caller);
    },
    memory(use) {
      for (const { process } of seats)
        if ((use.get(process.pid) ?? 0) > command.memoryMax)
          process.kill(`it used more memory than ${command.memoryMax / 1_048_576} MiB`);
    },
    *groups() {
      for (const { process } of seats) yield process.pid;
    },
    async close() {
      closed = true;
      await Promise.all([...seats, ...leaving].map((seat) => seat.process.end()));
    },
  };
}

/**
 * Whatever the mode, for nobody could call the program by HTTP before: any page could have the reader's browser call its tools, by a
 * request for which it need not ask. A page that has a key is known by that.
 */
function isOwnPage(origin: string | undefined, allowed: readonly string[]): boolean {
  if (origin === undefined || allowed.includes(origin.toLowerCase())) return true;
  return URL.canParse(origin) && LOOPBACK_NAMES.has(new URL(origin).hostname);
}

function callerOf(req: IncomingMessage): string {
  const caller = req.headers[callerHeader];
  return typeof caller === 'string' ? caller : '';
}

function noSession(res: ServerResponse): void {
  refuse(res, 404, -32001, 'Session not found');
}

function busy(res: ServerResponse, why: string): void {
  res.setHeader('retry-after', '5');
  refuse(res, 503, -32000, `Unavailable: ${why}`);
}

function refuse(res: ServerResponse, status: number, code: number, words: string): void {
  if (res.headersSent || res.destroyed) return void res.destroy();
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(rpcError(null, code, words)));
}
