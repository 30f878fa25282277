import { deny, type Denied } from '../../core/verdict.ts';
import { messageOf } from '../../core/message-of.ts';

export type UpstreamErrorCode =
  /** No connection in time. */
  | 'connect_timeout'
  /** No connection. */
  | 'unreachable'
  /** A connection that ended before the response did. */
  | 'connection_lost'
  /** What came is no response, or one that two readers could understand in two ways. */
  | 'bad_response'
  /** The client's body broke off. */
  | 'client_gone'
  /** Nothing that the upstream did: whoever takes the response failed. */
  | 'gateway_failed';

/** Compared by code. */
export class UpstreamError extends Error {
  readonly code: UpstreamErrorCode;
  /** True when a connection that had served before ended before a byte of this response came: it was closed while idle. */
  readonly stale: boolean;
  constructor(code: UpstreamErrorCode, message: string, stale = false) {
    super(message);
    this.name = 'UpstreamError';
    this.code = code;
    this.stale = stale;
  }
}

/** Node tells of these to whoever starts Node, by an option of its own. */
const unknownAuthority: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** What a connection failed for, and where the configuration can mend it, how. */
export function connectionWords({ code = '', message }: Error & { readonly code?: string }): string {
  if (unknownAuthority.has(code)) return `${message.replace(/;.*$/s, '')}; name its authority by tls: { ca: FILE }`;
  if (code === 'EPROTO' && message.includes('wrong version number'))
    return 'it speaks no TLS; where it is meant to be without, write http:// for https://';
  return message || code || 'no connection';
}

export function badResponse(what: string): UpstreamError {
  return new UpstreamError('bad_response', `its response has ${what}`);
}

/** What a response ended with, whatever was thrown on the way. */
export function faultOf(error: unknown): UpstreamError {
  if (error instanceof UpstreamError) return error;
  return new UpstreamError('gateway_failed', messageOf(error));
}

/** What the client is told, and in the note the operator, of an upstream (its URL) that did not answer. */
export function upstreamFault({ code, message }: UpstreamError, upstream: string): Denied {
  if (code === 'gateway_failed') return deny('unavailable', `the gateway failed: ${message}`);
  const said = code === 'connect_timeout' ? 'accepted no connection in time' : message;
  return deny('upstream_unreachable', `${upstream}: ${said}`);
}
