import type { ServerResponse } from 'node:http';
import { refusalOf, type Refusal } from '../core/refusal.ts';
import { deny, type Denied, type Reason } from '../core/verdict.ts';
import { bearerChallenge } from '../schemes/bearer-challenge.ts';

/** What goes back; Refusal has the same shape, so that a guard's refusal is sent as it is. */
export type Reply = Refusal;

/**
 * A refusal by the authority itself. `detail` is said to the caller behind the public words, so that a person or an agent
 * knows what to write instead; it is never a scheme's note, which is the operator's.
 */
export interface Refused {
  readonly denied: Denied;
  readonly detail: string | null;
}

export function refused(reason: Reason, detail: string): Refused {
  return { denied: deny(reason, detail), detail };
}

export function isRefused(value: object): value is Refused {
  return 'denied' in value;
}

export function json(status: number, value: unknown): Reply {
  const body = JSON.stringify(value);
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'cache-control': 'no-store',
  };
  return { status, headers, body };
}

/** The form of every success that carries data. */
export function success(status: number, data: unknown): Reply {
  return json(status, { status: 'success', data });
}

/** The error form of every refusal, with the Bearer challenge that all endpoints of the authority share. */
export function refusalReply({ denied, detail }: Refused): Reply {
  const reply = refusalOf(denied, [bearerChallenge(denied)]);
  if (detail === null) return reply;
  const plain = JSON.parse(reply.body) as { error: string };
  const body = JSON.stringify({ ...plain, error: `${plain.error}: ${detail}` });
  return { ...reply, headers: { ...reply.headers, 'content-length': String(Buffer.byteLength(body)) }, body };
}

/** Sends a reply once; a client that has gone away is nobody's fault. */
export function send(res: ServerResponse, reply: Reply, devMode: boolean): void {
  if (res.headersSent || res.destroyed) return;
  for (const [name, value] of Object.entries(commonHeaders(devMode))) res.setHeader(name, value);
  // What is over the limit is not read to its end, so the connection cannot be used again.
  if (reply.status === 413) res.setHeader('connection', 'close');
  res.writeHead(reply.status, reply.headers);
  res.end(reply.body);
}

export function commonHeaders(devMode: boolean): Record<string, string> {
  const headers: Record<string, string> = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  if (devMode) headers['x-countersign-dev'] = 'unauthenticated';
  return headers;
}
