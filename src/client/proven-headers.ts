import { targetOf } from './address.ts';
import { ClientError } from './client-error.ts';
import type { Prover } from './credential.ts';

/** A request that something else will send. */
export interface HeaderRequest {
  /** GET unless said. */
  readonly method?: string;
  /** With the query; a path alone where the client has a `baseUrl`. */
  readonly url: string | URL;
  /** The exact bytes that will be sent: http-signature covers them. Text stands for its UTF-8 bytes. */
  readonly body?: string | Uint8Array | null;
}

export async function provenHeaders(
  proof: Prover,
  { method = 'GET', body = null }: HeaderRequest,
  url: URL,
  timestamp: number,
): Promise<Record<string, string>> {
  return proof.headers({
    method: method.toUpperCase(),
    protocol: url.protocol === 'https:' ? 'https' : 'http',
    authority: url.host,
    target: targetOf(url),
    body: proof.coversBody ? bytesOf(body) : null,
    timestamp,
  });
}

function bytesOf(body: string | Uint8Array | null): Uint8Array | null {
  if (body === null || body instanceof Uint8Array) return body;
  if (typeof body === 'string') return Buffer.from(body);
  throw new ClientError(
    'body_not_signable',
    'the signature covers the body as it is sent: give it as a string or bytes, for example JSON.stringify(value)',
  );
}
