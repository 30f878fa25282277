import { addressOf, isWithin, type Base } from './address.ts';
import { ClientError } from './client-error.ts';

/** One request, taken apart so that it can be proven, sent and, where that is safe, sent again. */
export interface Outgoing {
  readonly url: URL;
  readonly method: string;
  /** The caller's own, and what its body says of itself. */
  readonly headers: Headers;
  readonly body: OutgoingBody;
  /** False once a redirect led elsewhere: neither our credential nor the caller's follow there. */
  readonly trusted: boolean;
}

export type OutgoingBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Read anew each time it is sent. */
  | { readonly kind: 'parts'; readonly parts: Blob | FormData }
  /** Can be sent once. */
  | { readonly kind: 'stream'; readonly request: Request };

export type Redirect = NonNullable<RequestInit['redirect']>;

export interface Prepared {
  readonly outgoing: Outgoing;
  readonly redirect: Redirect;
}

export type FetchInput = string | URL | Request;

/** Where the request goes and who may stop it, known before anything is read. */
export function aimOf(
  input: FetchInput,
  init: RequestInit | undefined,
  base: Base | null,
): { readonly url: URL; readonly signal: AbortSignal | null } {
  const own = input instanceof Request ? input : null;
  return { url: addressOf(own ? own.url : textOf(input), base), signal: init?.signal ?? own?.signal ?? null };
}

/** As text, anything else would be a path below the base. A URL may be one of another library. */
function textOf(input: unknown): string {
  if (typeof input === 'string') return input;
  const { href } = (input ?? {}) as { href?: unknown };
  if (typeof href === 'string') return href;
  throw new TypeError(
    'fetch takes a path, a URL or a Request of this runtime; of a Request of another library give the url, and the rest as options',
  );
}

/** Rejects as fetch does on what makes no request. With `bytesMax` the body's bytes are needed, and are at most as many. */
export async function prepare(
  input: FetchInput,
  init: RequestInit | undefined,
  aim: { readonly url: URL; readonly signal: AbortSignal },
  bytesMax: number | null,
): Promise<Prepared> {
  const request = input instanceof Request ? new Request(input, init) : new Request(aim.url, init);
  const { method, redirect } = request;
  const given = init?.body;
  const rest = { url: aim.url, method, trusted: true };
  if (bytesMax === null && (given instanceof Blob || given instanceof FormData)) {
    // Its type is not taken over: each sending of a form has a boundary of its own.
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    return { outgoing: { ...rest, headers, body: { kind: 'parts', parts: given } }, redirect };
  }
  const body = await bodyOf(request, given, bytesMax, aim.signal);
  return { outgoing: { ...rest, headers: new Headers(request.headers), body }, redirect };
}

async function bodyOf(
  request: Request,
  given: RequestInit['body'],
  bytesMax: number | null,
  signal: AbortSignal,
): Promise<OutgoingBody> {
  if (request.body === null) return { kind: 'none' };
  const held =
    typeof given === 'string' ||
    given instanceof ArrayBuffer ||
    ArrayBuffer.isView(given) ||
    given instanceof URLSearchParams;
  if (!held && bytesMax === null) return { kind: 'stream', request };
  return { kind: 'bytes', bytes: await bytesOf(request.body, bytesMax ?? Infinity, signal) };
}

/** Reads a stream to its end, and lets go of it when it is too long or the call is given up. */
async function bytesOf(
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  const letGo = () => void reader.cancel(signal.reason).catch(() => undefined);
  signal.addEventListener('abort', letGo, { once: true });
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return new Uint8Array(Buffer.concat(chunks));
      size += value.length;
      if (size > bytesMax) throw tooLarge(bytesMax);
      chunks.push(value);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => undefined);
    throw error;
  } finally {
    signal.removeEventListener('abort', letGo);
  }
}

export function tooLarge(bytesMax: number): ClientError {
  return new ClientError(
    'body_not_signable',
    `the signature covers the body, and this one is larger than ${bytesMax} bytes: raise signedBodyBytesMax, or send an API key`,
  );
}

const redirects = new Set([301, 302, 303, 307, 308]);
/** What belongs to the origin that it was meant for. */
const personal = ['authorization', 'cookie', 'host', 'proxy-authorization', 'x-api-key', 'x-override-token'];
const ofTheBody = ['content-encoding', 'content-language', 'content-length', 'content-location', 'content-type'];

/**
 * The request that a redirect asks for (RFC 9110 §15.4, Fetch §4.4); null when the response is none. Whoever was called must
 * not send our credential anywhere else by it: not to another origin, and not out of the base.
 */
export function redirected(outgoing: Outgoing, response: Response, base: Base | null): Outgoing | null {
  const location = response.headers.get('location');
  if (location === null || !redirects.has(response.status)) return null;
  const url = URL.parse(location, outgoing.url.href);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new TypeError('the service redirects to what is no http or https URL');
  const becomesGet =
    (response.status === 303 && outgoing.method !== 'GET' && outgoing.method !== 'HEAD') ||
    ((response.status === 301 || response.status === 302) && outgoing.method === 'POST');
  if (!becomesGet && outgoing.body.kind === 'stream')
    throw new TypeError('the service redirects a streamed body, which can be sent only once');
  const trusted = outgoing.trusted && url.origin === outgoing.url.origin && (base === null || isWithin(url, base));
  const headers = new Headers(outgoing.headers);
  for (const name of becomesGet ? ofTheBody : []) headers.delete(name);
  for (const name of trusted ? [] : personal) headers.delete(name);
  return {
    url,
    method: becomesGet ? 'GET' : outgoing.method,
    headers,
    body: becomesGet ? { kind: 'none' } : outgoing.body,
    trusted,
  };
}
