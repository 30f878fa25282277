import type { IncomingMessage, ServerResponse } from 'node:http';
import { plainAddress } from '../core/address.ts';
import { clientAddress, isTrusted } from '../core/client-address.ts';
import { BodyError, type AuthRequest } from '../core/request.ts';
import { parseTarget } from '../core/target.ts';
import { uuid } from '../crypto/random.ts';
import { givenRequestId } from '../adapters/node/request.ts';
import type { Stack } from '../compose/stack.ts';
import type { Reply } from './reply.ts';
import { refused, type Refused } from './refused.ts';

/** One call to the authority, read once: what handlers are given. */
export interface Exchange {
  readonly stack: Stack;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** GET for HEAD as well: the body is left out when it is sent. */
  readonly method: string;
  /** Normalised, without a trailing slash. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The socket's other end, before trusted proxies are taken off. */
  readonly peerAddress: string;
  /** As schemes see it; its service is '' because the authority is none. */
  readonly request: AuthRequest;
}

/** Null: the handler has answered, or will, by itself. */
export type Handler = (exchange: Exchange, parameter: string) => Promise<Reply | null> | Reply | null;

export function readExchange(stack: Stack, req: IncomingMessage, res: ServerResponse): Exchange | Refused {
  const target = req.url ?? '';
  const parsed = parseTarget(target);
  if (!parsed.ok) return refused('bad_request', parsed.note);
  const hosts = fieldsOf(req, 'host');
  if (hosts.length > 1) return refused('bad_request', 'there is more than one Host line');
  const path = parsed.path.length > 1 && parsed.path.endsWith('/') ? parsed.path.slice(0, -1) : parsed.path;
  const method = req.method ?? 'GET';
  const request: AuthRequest = {
    method,
    target,
    path: parsed.path,
    service: '',
    authority: (hosts[0] ?? '').toLowerCase(),
    protocol: 'encrypted' in req.socket ? 'https' : 'http',
    ...senderOf(stack, req),
    fields: (name) => fieldsOf(req, name),
    bodyPresence: 'unseen',
    body: () => Promise.reject(new BodyError('body_unavailable', 'credentials of the authority do not sign bodies')),
  };
  const query = new URLSearchParams(parsed.query);
  return {
    stack,
    req,
    res,
    method: method === 'HEAD' ? 'GET' : method,
    path,
    query,
    peerAddress: peerOf(req),
    request,
  };
}

/** Where a request comes from, and its id, as far as a trusted proxy says. */
function senderOf({ config }: Stack, req: IncomingMessage): Pick<AuthRequest, 'remoteAddress' | 'requestId'> {
  const { trustedProxies } = config;
  const peer = peerOf(req);
  const remoteAddress = clientAddress(peer, fieldsOf(req, 'x-forwarded-for'), trustedProxies);
  // What a trusted proxy gave is kept, so that its log and ours can be joined.
  const given = isTrusted(trustedProxies, peer) ? givenRequestId(fieldsOf(req, 'x-request-id')) : null;
  return { remoteAddress, requestId: given ?? uuid() };
}

function peerOf(req: IncomingMessage): string {
  return plainAddress(req.socket.remoteAddress ?? '');
}

function fieldsOf(req: IncomingMessage, name: string): readonly string[] {
  return req.headersDistinct[name] ?? [];
}
