import { stringify } from 'node:querystring';
import type { Dispatcher } from 'undici';
import { systemClock, type Clock } from '../core/clock.ts';
import { baseOf, isWithin } from './address.ts';
import { ClientError } from './client-error.ts';
import { prover, type ServiceCredential } from './credential.ts';
import { tooLarge } from './outgoing.ts';

/** What the interceptor is told beside the credential. */
export interface SigningInterceptorOptions {
  /** Requests to anywhere else pass without the credential. Give it where redirects are followed below the interceptor. */
  readonly baseUrl?: string | URL;
  /** Bodies over it are not signed by http-signature, which holds them; 10 MiB. */
  readonly signedBodyBytesMax?: number;
  /** Epoch seconds; the system's unless given. */
  readonly clock?: Clock;
}

/** What `compose` of a dispatcher takes, in each major version of undici, whose types do not fit one another. */
export type SigningInterceptor = <Dispatch extends (options: never, handler: never) => boolean>(
  dispatch: Dispatch,
) => Dispatch;

type Options = Dispatcher.DispatchOptions;

/**
 * For `dispatcher.compose(…)` of undici: adds the credential to every request, as the last thing before it is sent. Below a retry
 * interceptor each attempt is signed anew. It follows a key file, and corrects no clock. Throws as createServiceClient does.
 */
export function signingInterceptor(
  credential: ServiceCredential,
  { baseUrl, signedBodyBytesMax = 10 * 1024 * 1024, clock = systemClock }: SigningInterceptorOptions = {},
): SigningInterceptor {
  const base = baseUrl === undefined ? null : baseOf(baseUrl);
  const proof = prover(credential);

  async function proven(given: Options): Promise<Options> {
    const target = targetWithQuery(given);
    const url = URL.parse(target, String(given.origin));
    if (!url) throw new TypeError('the request names no origin to sign for');
    // Servers differ on dots and backslashes, so the text that goes on the wire must lie below the base as well as what it means.
    const [pathname = ''] = target.split('?', 1);
    if (base !== null && !(isWithin(url, base) && isWithin({ origin: url.origin, pathname }, base))) return given;
    const headers = headerMap(given.headers);
    const body = proof.coversBody ? await bodyBytes(given.body, signedBodyBytesMax) : null;
    const fields = await proof.headers({
      method: String(given.method),
      protocol: url.protocol === 'https:' ? 'https' : 'http',
      authority: [...(headers.get('host') ?? [url.host])].join(', ').toLowerCase(),
      target,
      body,
      timestamp: Math.floor(clock()),
    });
    for (const [name, value] of Object.entries(fields)) headers.set(name, [value]);
    const { query: _, ...rest } = given;
    return { ...rest, path: target, headers: flat(headers), ...(body && { body }) };
  }

  const interceptor: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (given, handler) => {
    void untilAborted(proven(given), given)
      .then((options) => void dispatch(options, handler))
      .catch((error: unknown) => fail(handler, error));
    return true;
  };
  // What is used of options and handlers here is the same in all of them.
  return interceptor as unknown as SigningInterceptor;
}

/** undici tells a request of an abort once it was begun, and so not while a body is read. Failing, it lets go of the body. */
function untilAborted<Value>(work: Promise<Value>, given: Options): Promise<Value> {
  const signal = 'signal' in given && given.signal instanceof AbortSignal ? given.signal : null;
  if (signal === null) return work;
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}

/** As undici's own interceptors do where no request was begun: there is no controller yet. */
function fail(handler: Dispatcher.DispatchHandler, error: unknown): void {
  const words = error instanceof Error ? error : new Error(String(error));
  // Handlers as undici 6 has them, which its successor takes as well, would otherwise wait for ever.
  if (handler.onResponseError) handler.onResponseError(null as unknown as Dispatcher.DispatchController, words);
  else handler.onError?.(words);
}

function targetWithQuery({ path, query }: Options): string {
  if (!query || Object.keys(query).length === 0) return path;
  return `${path}?${stringify(query)}`;
}

/** Fields by lower-case name, from any of the forms that undici takes. */
function headerMap(given: Options['headers']): Map<string, string[]> {
  const headers = new Map<string, string[]>();
  const add = (name: string, value: unknown): void => {
    const values = (Array.isArray(value) ? value : [value]).filter((each) => each !== undefined && each !== null);
    const lower = name.toLowerCase();
    headers.set(lower, [...(headers.get(lower) ?? []), ...values.map(String)]);
  };
  if (!given) return headers;
  if (Array.isArray(given)) {
    for (let index = 0; index + 1 < given.length; index += 2) add(String(given[index]), given[index + 1]);
    return headers;
  }
  const entries = Symbol.iterator in given ? (given as Iterable<[string, unknown]>) : Object.entries(given);
  for (const [name, value] of entries) add(name, value);
  return headers;
}

function flat(headers: ReadonlyMap<string, readonly string[]>): string[] {
  return [...headers].flatMap(([name, values]) => values.flatMap((value) => [name, value]));
}

/** Null for no body. What is read here is sent from memory afterwards. */
async function bodyBytes(body: Options['body'], bytesMax: number): Promise<Uint8Array | null> {
  if (body === null || body === undefined) return null;
  if (typeof body === 'string') return Buffer.from(body);
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  if (!isIterable(body))
    throw new ClientError('body_not_signable', 'the signature covers the body: send a string, bytes or a stream');
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    size += bytes.length;
    if (size > bytesMax) throw tooLarge(bytesMax);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function isIterable(body: object): body is AsyncIterable<Uint8Array | string> {
  return Symbol.asyncIterator in body;
}
