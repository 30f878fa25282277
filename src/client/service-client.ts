import { systemClock, type Clock } from '../core/clock.ts';
import { addressOf, baseOf, targetOf } from './address.ts';
import { ClientError } from './client-error.ts';
import { connections, fetchTakesConnections, type ClientTls } from './connections.ts';
import { correctedClock } from './corrected-clock.ts';
import { certificateProver, prover, type ClientCertificateCredential, type ServiceCredential } from './credential.ts';
import { deadline, timerMillisMax, type Deadline } from './deadline.ts';
import { aimOf, prepare, redirected, type FetchInput, type Outgoing, type Redirect } from './outgoing.ts';
import { provenHeaders, type HeaderRequest } from './proven-headers.ts';
import { checkNames } from './option-names.ts';
import { backOff, mayRetryError, pauseAfter } from './retry.ts';
import { refusalReason, discard } from './response.ts';

/** Calls one service, or one stack of them, as one caller. */
export interface ServiceClient {
  /** The standard fetch, with the credential added. See docs/client.md for what it retries. */
  readonly fetch: typeof globalThis.fetch;
  /** The fields to add to a request that something else sends, by lower-case name. */
  headers(request: HeaderRequest): Promise<Record<string, string>>;
  /** Waits for what is under way, for `timeoutSeconds` at most, and closes the connections. */
  close(): Promise<void>;
}

/** As whom a client calls, and how patiently. */
export interface ServiceClientOptions {
  /** Its key, or where it lies. */
  readonly credential: ServiceCredential | ClientCertificateCredential;
  /** Calls may then name a path only, and the credential goes to no other origin. */
  readonly baseUrl?: string | URL;
  /** From the call to the response's head, retries included; 30. Infinity for no limit. The body has none. */
  readonly timeoutSeconds?: number;
  /** How often what is safe to send again is sent again; 2. */
  readonly retries?: number;
  /** Bodies over it are not signed by http-signature, which holds them; 10 MiB, as the gateway. */
  readonly signedBodyBytesMax?: number;
  /** How far a verifier's Date may correct our clock; 3,600. */
  readonly correctionSecondsMax?: number;
  /** How connections to `baseUrl` are secured; a function is asked for each new connection, so that certificates may change. */
  readonly tls?: ClientTls | (() => ClientTls);
  /** Sends the requests, instead of connections of our own. */
  readonly fetch?: typeof globalThis.fetch;
  /** Epoch seconds; the system's unless given. */
  readonly clock?: Clock;
}

const optionNames: Readonly<Record<keyof ServiceClientOptions, true>> = {
  credential: true,
  baseUrl: true,
  timeoutSeconds: true,
  retries: true,
  signedBodyBytesMax: true,
  correctionSecondsMax: true,
  tls: true,
  fetch: true,
  clock: true,
};

const redirectsMax = 20;

/** What one attempt went out with, and what the call has tried to mend: each at most once. */
interface Used {
  offset: number;
  generation: number;
  clockMended: boolean;
  keyMended: boolean;
}

/** Throws when the options could never work: a ClientError when the key is missing (naming the file), else a TypeError. */
export function createServiceClient(options: ServiceClientOptions): ServiceClient {
  checkNames('createServiceClient', options, optionNames);
  const { timeoutSeconds = 30, retries = 2, signedBodyBytesMax = 10 * 1024 * 1024 } = options;
  if (!(timeoutSeconds > 0)) throw new TypeError('timeoutSeconds must be more than 0');
  if (!(Number.isInteger(retries) && retries >= 0)) throw new TypeError('retries must be 0 or more');
  const base = options.baseUrl === undefined ? null : baseOf(options.baseUrl);
  const { credential, tls } = options;
  if (tls !== undefined && (options.fetch !== undefined || !base?.origin.startsWith('https://')))
    throw new TypeError('tls needs a baseUrl with https://, and connections of our own: leave out fetch');
  // Ignored, it would be a call to whoever has any certificate at all, and without ours.
  if (tls !== undefined && !fetchTakesConnections())
    throw new TypeError(
      'tls needs Node: the fetch of Bun and Deno uses no connections of ours. Hand in a fetch that is secured',
    );
  if (credential?.kind === 'client-certificate' && (typeof tls === 'function' ? tls() : tls)?.cert === undefined)
    throw new TypeError('the credential client-certificate needs tls: { cert, key }');
  const proof = credential?.kind === 'client-certificate' ? certificateProver() : prover(credential);
  const clock = correctedClock(options.clock ?? systemClock, options.correctionSecondsMax ?? 3600);
  const own =
    options.fetch || !fetchTakesConnections()
      ? null
      : connections(tls === undefined || base === null ? null : { tls, origin: base.origin });
  const send = options.fetch ?? globalThis.fetch;
  let closing: Promise<void> | null = null;
  const underWay = new Set<Promise<unknown>>();

  async function attempt(outgoing: Outgoing, timestamp: number, used: Used, signal: AbortSignal): Promise<Response> {
    const { url, method, body } = outgoing;
    const headers = new Headers(outgoing.headers);
    if (outgoing.trusted) {
      const proving = proof.headers({
        method,
        protocol: url.protocol === 'https:' ? 'https' : 'http',
        authority: headers.get('host') ?? url.host,
        target: targetOf(url),
        body: body.kind === 'bytes' ? body.bytes : null,
        timestamp,
      });
      used.generation = proof.key.generation;
      const proven = await proving;
      for (const [name, value] of Object.entries(proven)) headers.set(name, value);
    }
    const init = {
      method,
      headers,
      signal,
      redirect: 'manual',
      ...(own && { dispatcher: own.dispatcher }),
    } as RequestInit;
    if (body.kind === 'stream') return send(body.request, init);
    if (body.kind === 'none') return send(url.href, init);
    return send(url.href, { ...init, body: body.kind === 'bytes' ? body.bytes : body.parts });
  }

  /** Whether a refusal was about something that is right by now, or that we can set right. What was refused was not carried out. */
  async function mended(response: Response, used: Used): Promise<boolean> {
    const reason = await refusalReason(response);
    if (proof.timed && reason === 'timestamp_outside_window') {
      if (used.clockMended) return false;
      used.clockMended = true;
      clock.correct(response.headers.get('date'));
      return clock.offset !== used.offset;
    }
    if (used.keyMended) return false;
    used.keyMended = true;
    proof.key.reread();
    return proof.key.generation !== used.generation;
  }

  async function exchange(first: Outgoing, redirect: Redirect, time: Deadline): Promise<Response> {
    const used: Used = { offset: 0, generation: 0, clockMended: false, keyMended: false };
    let outgoing = first;
    let retried = 0;
    let hops = 0;
    let timestamp = 0;

    async function again(millis: number | null): Promise<boolean> {
      if (millis === null || retried >= retries || outgoing.body.kind === 'stream') return false;
      retried += 1;
      return time.pause(millis);
    }

    for (;;) {
      used.offset = clock.offset;
      // Equal calls within a second have equal service signatures, and a verifier may take each of them only once.
      timestamp = Math.max(Math.floor(clock.now()), proof.kind === 'service-signature' ? timestamp + 1 : 0);
      let response: Response;
      try {
        response = await attempt(outgoing, timestamp, used, time.signal);
      } catch (error) {
        if (mayRetryError(error, outgoing.method) && (await again(backOff(retried)))) continue;
        throw error;
      }
      const next = redirect === 'manual' ? null : redirected(outgoing, response, base);
      if (next) {
        await discard(response);
        hops += 1;
        if (redirect === 'error' || hops > redirectsMax)
          throw new TypeError(redirect === 'error' ? 'the service redirects' : 'the service redirects without end');
        outgoing = next;
        continue;
      }
      // What it says of clock and key counts for the next call, also where this one cannot be sent again.
      const isMended = response.status === 401 && outgoing.trusted && (await mended(response, used));
      if (isMended && outgoing.body.kind !== 'stream') timestamp = 0;
      else if (!(await again(pauseAfter(response, outgoing.method, retried, clock.now())))) {
        if (hops > 0) Object.defineProperty(response, 'redirected', { value: true });
        return response;
      }
      await discard(response);
    }
  }

  async function call(input: FetchInput, init?: RequestInit): Promise<Response> {
    if (closing) throw new ClientError('closed', 'the client is closed');
    const { url, signal } = aimOf(input, init, base);
    const time = deadline(timeoutSeconds, signal, `${url.origin}${url.pathname}`);
    try {
      const bytesMax = proof.coversBody ? signedBodyBytesMax : null;
      const { outgoing, redirect } = await prepare(input, init, { url, signal: time.signal }, bytesMax);
      return await exchange(outgoing, redirect, time);
    } finally {
      time.stop();
    }
  }

  /** Kept until it has its answer: pauses between attempts hold no connection that would be waited for. */
  function kept(input: FetchInput, init?: RequestInit): Promise<Response> {
    const calling = call(input, init).finally(() => underWay.delete(calling));
    underWay.add(calling);
    return calling;
  }

  async function end(): Promise<void> {
    const millisMax = Math.min(timeoutSeconds * 1000, timerMillisMax);
    const began = performance.now();
    await settledWithin([...underWay], millisMax);
    await own?.close(Math.max(0, millisMax - (performance.now() - began)));
  }

  return {
    fetch: kept,
    headers: (request) => provenHeaders(proof, request, addressOf(String(request.url), base), Math.floor(clock.now())),
    close: () => (closing ??= end()),
  };
}

async function settledWithin(calls: readonly Promise<unknown>[], millisMax: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, millisMax)));
  await Promise.race([Promise.allSettled(calls), late]);
  clearTimeout(timer);
}
