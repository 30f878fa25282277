import { hmacSha256 } from '../../crypto/hmac.ts';
import { idHeader, isServiceId, pathOfTarget, signatureHeader, signatureMessage, timestampHeader } from './format.ts';

export interface ServiceRequest {
  readonly serviceId: string;
  /** The key as written: 64 hex characters are not decoded. */
  readonly secret: string;
  /** As it goes on the request line, so in upper case for the usual ones. */
  readonly method: string;
  /** Path and query as they go on the request line, a gateway's prefix included. */
  readonly target: string;
  /** Epoch seconds; a fraction is cut off. */
  readonly timestamp: number;
}

export interface SignedServiceRequest {
  /** By lower-case name. */
  readonly headers: Record<string, string>;
  /** The exact string that was signed; it holds no secret. */
  readonly message: string;
}

/** Signs one request. Throws a TypeError on what no verifier would accept: misuse shows here, not as a 401 elsewhere. */
export function signServiceRequest(request: ServiceRequest): SignedServiceRequest {
  const { serviceId, secret, method, target } = request;
  const timestamp = Math.floor(request.timestamp);
  if (!isServiceId(serviceId))
    throw new TypeError(
      'a service id is a letter or digit, then up to 127 letters, digits, dots, underscores or dashes',
    );
  if (secret === '') throw new TypeError('the service key is empty');
  if (!target.startsWith('/') || !/^[\x21-\x7e]*$/.test(target) || target.includes('#'))
    throw new TypeError('the target must be the path and query as sent: a leading slash, percent-encoded, no fragment');
  if (!(timestamp >= 0 && timestamp < 1e12)) throw new TypeError('the timestamp must be in Unix seconds');
  const message = signatureMessage(serviceId, method, pathOfTarget(target), timestamp);
  return {
    headers: {
      [idHeader]: serviceId,
      [signatureHeader]: hmacSha256(Buffer.from(secret)).hex(message),
      [timestampHeader]: String(timestamp),
    },
    message,
  };
}
