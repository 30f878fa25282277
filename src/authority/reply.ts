import type { IncomingMessage, ServerResponse } from 'node:http';
import { discardBody } from '../adapters/node/discard-body.ts';
import { awaitsContinue, hasBody } from '../adapters/node/request-shape.ts';
import { refusalOf, type Refusal } from '../core/refusal.ts';
import type { Denied } from '../core/verdict.ts';
import { bearerChallenge } from '../schemes/bearer-challenge.ts';
import type { Refused } from './refused.ts';

export const DEV_HEADER = 'x-countersign-dev';

/** On every answer of the authority: credentials and lists of them are never kept, and never taken for something else. */
export const COMMON_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;

/** What goes back; Refusal has the same shape, so that a guard's refusal is sent as it is. */
export interface Reply extends Refusal {
  /** Why the authority itself refuses; what a guard refuses has its decision instead. */
  readonly denied?: Denied;
}

export function json(status: number, value: unknown): Reply {
  const body = JSON.stringify(value);
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...COMMON_HEADERS,
  };
  return { status, headers, body };
}

/** The form of every success that carries data. */
export function success(status: number, data: unknown): Reply {
  return json(status, { status: 'success', data });
}

/** The error form of every refusal, with the Bearer challenge that all endpoints of the authority share. */
export function refusalReply({ denied, detail, confirm }: Refused): Reply {
  const reply = { ...refusalOf(denied, [bearerChallenge(denied)], COMMON_HEADERS), denied };
  if (detail === null) return reply;
  const plain = JSON.parse(reply.body) as { error: string };
  const body = JSON.stringify({ ...plain, error: `${plain.error}: ${detail}`, ...(confirm && { confirm }) });
  return { ...reply, headers: { ...reply.headers, 'content-length': String(Buffer.byteLength(body)) }, body };
}

/** Sends a reply once; a client that has gone away is nobody's fault. A body that was not read ends the connection. */
export function send(req: IncomingMessage, res: ServerResponse, reply: Reply, devMode: boolean): void {
  if (res.headersSent || res.destroyed) return;
  if (devMode) res.setHeader(DEV_HEADER, 'unauthenticated');
  const unread = !req.complete && hasBody(req);
  if (unread) res.setHeader('connection', 'close');
  res.writeHead(reply.status, reply.headers);
  if (!unread || awaitsContinue(req)) {
    res.end(reply.body);
    return;
  }
  if (reply.body !== '') res.write(reply.body);
  discardBody(req, () => res.end());
}
