import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Client, Dispatcher } from 'undici';
import type { NodeRequest } from '../adapters/node/request.ts';
import type { ServiceConfig } from '../compose/config.ts';
import type { Decision } from '../core/decision.ts';
import { isPromise } from '../core/maybe-promise.ts';
import { deny, type Denied, type Principal } from '../core/verdict.ts';
import { answer, discard } from './answer.ts';
import type { ExchangeContext, ExchangeOptions } from './exchange-options.ts';
import { endWith, flushSoon } from './first-write.ts';
import { RequestBody } from './request-body.ts';
import { upstreamHeaders } from './request-headers.ts';
import { hasBody } from '../adapters/node/request-shape.ts';
import { clientHeaders } from './response-headers.ts';
import { openTunnel } from './tunnel.ts';
import type { Upstream } from './upstreams.ts';
import { upstreamFault } from './upstream-fault.ts';

const repeatable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * One request on its way through: from the verdict to the last byte. It is the handler that undici calls back, so that a
 * request costs one object and no closures. The raw header lists come only through undici's older handler interface.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #context: ExchangeContext;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #request: NodeRequest;
  readonly #service: ServiceConfig;
  readonly #upstream: Upstream;
  readonly #target: string;
  readonly #upgrade: Duplex | null;
  #options: Dispatcher.DispatchOptions | null = null;
  #decision: Decision | null = null;
  #connection: Client | null = null;
  #abort: ((error?: Error) => void) | null = null;
  #resume: (() => void) | null = null;
  #unwatch: (() => void) | null = null;
  #endTunnel: (() => void) | null = null;
  #headSent = false;
  /** True once the head is on its way; until then `first` is held back. */
  #flushed = false;
  #first: Buffer | null = null;
  #retried = false;
  #closed = false;
  /** When a sweep first saw that the upstream owes the response's head, in milliseconds; 0: none did. */
  #waitingSince = 0;
  #swept = false;
  /** For the list of those under way. */
  place = -1;

  constructor(options: ExchangeOptions) {
    this.#context = options.context;
    this.#req = options.req;
    this.#res = options.res;
    this.#request = options.request;
    this.#service = options.service;
    this.#upstream = options.upstream;
    this.#target = options.target;
    this.#upgrade = options.upgrade;
  }

  run(): void {
    const { guard } = this.#context.stack;
    // Of a request with a body the rest is read first: what came along with its head may turn out to be no HTTP.
    const pending = hasBody(this.#req) ? guard.decide(this.#request) : guard.decideNow(this.#request);
    if (isPromise(pending)) void pending.then((decision) => this.#decided(decision));
    else this.#decided(pending);
  }

  #decided(decision: Decision): void {
    // The client may be gone by now, or the rest of what it sent was found to be no HTTP.
    if (this.#res.destroyed || !this.#req.socket.writable) return;
    this.#decision = decision;
    const { heldBody } = this.#request;
    if (heldBody === null) this.#act(decision, null);
    // A body too large to be held goes on as a stream where nothing is enforced.
    else void heldBody.catch(() => null).then((held) => this.#act(decision, held));
  }

  #act(decision: Decision, held: Buffer | null): void {
    try {
      if (decision.outcome === 'deny' && decision.verdict?.allowed === false) this.#refuse(decision.verdict);
      else this.#forward(decision, held);
    } catch (error) {
      // A fault of ours must not take the other requests along, nor leave this one hanging.
      this.#fail(deny('unavailable', `the gateway failed: ${error instanceof Error ? error.message : String(error)}`));
    }
  }

  #forward(decision: Decision, held: Buffer | null): void {
    const { stack, open } = this.#context;
    const upstream = this.#upstream;
    let key: string | null = null;
    if (this.#service.upstreamKey !== null && decision.verdict?.allowed === true) {
      key = stack.upstreamKey(this.#service.name);
      if (key === null)
        return this.#fail(deny('unavailable', `the upstream key of ${this.#service.name} cannot be read`));
    }
    const connection = upstream.take(isProven(decision));
    if (connection === null)
      return this.#fail(deny('unavailable', `too many requests to ${this.#service.name} are open`, { retryAfter: 1 }));
    this.#connection = connection;
    const body = held ?? (hasBody(this.#req) ? this.#streamedBody() : null);
    const options: Dispatcher.DispatchOptions = {
      path: this.#target,
      method: this.#request.method,
      headers: upstreamHeaders(this.#req, this.#request, this.#service, decision, key),
      body,
      // Where nothing is uploaded the sweep sees to it: a timer for every request costs more than all of them together.
      headersTimeout: body === null ? 0 : upstream.headersTimeout,
      bodyTimeout: 0,
      upgrade: this.#upgrade === null ? null : 'websocket',
    };
    this.#options = options;
    open.add(this);
    this.#res.on('close', () => this.#clientClosed());
    connection.dispatch(options, this);
  }

  #streamedBody(): RequestBody {
    if (this.#req.headers.expect !== undefined) this.#res.writeContinue();
    return new RequestBody(this.#req);
  }

  onConnect(abort: (error?: Error) => void): void {
    this.#abort = abort;
    if (this.#closed) abort();
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (status === 101) throw new Error('the upstream switched protocols unasked');
    // Interim answers (RFC 9110 §15.2) are hints; a client may miss them.
    if (status < 200) {
      this.#waitingSince = 0;
      return true;
    }
    const headers = clientHeaders(raw, this.#context.stack.devMode);
    this.#res.writeHead(status, headers);
    this.#headSent = true;
    this.#resume = resume;
    if (status === 304) {
      // Its Content-Length is that of the answer it stands for (RFC 9110 §15.4.5); undici would miss those bytes.
      this.onComplete();
      return true;
    }
    flushSoon(this);
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (!this.#flushed) {
      if (this.#first === null) {
        // A short answer comes whole with its head: held until this read is over, it goes out in one piece.
        this.#first = chunk;
        return true;
      }
      this.flush();
    }
    if (this.#res.write(chunk)) return true;
    if (this.#resume !== null) this.#res.once('drain', this.#resume);
    return false;
  }

  /** Sends what is there, the head alone when no byte of the body came with it: an event stream's client waits for it. */
  flush(): void {
    if (this.#flushed) return;
    this.#flushed = true;
    if (this.#res.writableEnded || this.#res.destroyed) return;
    if (this.#first === null) this.#res.flushHeaders();
    else this.#res.write(this.#first);
    this.#first = null;
  }

  onComplete(): void {
    if (this.#closed) return;
    this.#release();
    endWith(this.#res, this.#first);
    this.#flushed = true;
    this.#first = null;
    // The upstream answered before it had read the body. Undrained, the connection could serve no next request.
    if (!this.#req.complete) discard(this.#req, (drained) => drained || this.#req.socket.destroy());
  }

  onUpgrade(status: number, raw: Buffer[] | string[] | null, socket: Duplex): void {
    const client = this.#upgrade;
    if (client === null || status !== 101 || this.#closed) {
      socket.destroy();
      if (!this.#closed) this.#fail(deny('upstream_unreachable', `the upstream answered an upgrade with ${status}`));
      return;
    }
    this.#headSent = true;
    this.#res.detachSocket(this.#req.socket);
    this.#endTunnel = openTunnel(
      client,
      socket,
      clientHeaders((raw ?? []) as Buffer[], this.#context.stack.devMode),
      () => this.#release(),
    );
  }

  onError(error: Error): void {
    if (this.#closed) return;
    if (this.#headSent) {
      // Ending in peace would make half an answer look whole.
      this.#release();
      this.#res.destroy();
      return;
    }
    const fault = upstreamFault(error, this.#service.upstream);
    if (fault.stale && !this.#retried && this.#options?.body === null && repeatable.has(this.#request.method)) {
      // The upstream closed the idle connection just as it was used again (RFC 9110 §9.2.2 allows the repetition).
      this.#retried = true;
      this.#connection?.dispatch(this.#options, this);
      return;
    }
    this.#fail(fault.denied);
  }

  /** Called every now and then. What lasts is watched: its credential's end must end it too. `now`: milliseconds. */
  sweep(now: number): void {
    if (this.#swept && this.#unwatch === null) this.#watch();
    this.#swept = true;
    if (this.#closed || this.#headSent || this.#abort === null || this.#options?.headersTimeout !== 0) return;
    if (this.#waitingSince === 0) this.#waitingSince = now;
    if (now - this.#waitingSince < this.#upstream.headersTimeout) return;
    this.#fail(deny('upstream_timeout', `${this.#service.upstream} sent no response head in time`));
    this.#abort();
  }

  #watch(): void {
    const principal = this.#enforcedPrincipal();
    if (this.#closed || principal === null) return;
    this.#unwatch = this.#context.stack.liveness.track(principal, () => this.#credentialDied(principal));
  }

  /** Ends the exchange at once, for a gateway that closes. */
  destroy(): void {
    this.#endTunnel?.();
    this.#res.destroy();
  }

  /** In report mode nothing is refused, so nothing is cut off either. */
  #enforcedPrincipal(): Principal | null {
    const decision = this.#decision;
    return decision?.mode === 'enforce' && decision.verdict?.allowed === true ? decision.verdict.principal : null;
  }

  #credentialDied(principal: Principal): void {
    if (this.#closed) return;
    if (this.#endTunnel !== null) this.#endTunnel();
    else if (this.#headSent) this.#res.destroy();
    else {
      const expired = principal.expiresAt !== null && principal.expiresAt <= this.#context.stack.clock();
      const caller = { id: principal.id, proven: true };
      this.#fail(
        deny(expired ? 'expired' : 'revoked', 'the credential died while the request was under way', { caller }),
      );
      this.#abort?.();
    }
  }

  #clientClosed(): void {
    if (this.#closed || this.#endTunnel !== null) return;
    this.#release();
    this.#abort?.();
  }

  /** A refusal that the guard did not decide on. */
  #fail(denied: Denied): void {
    const { method, path, service, remoteAddress, requestId } = this.#request;
    this.#release();
    this.#context.stack.audit.refused(denied, { method, path, service, remoteAddress, requestId });
    if (this.#headSent) this.#res.destroy();
    else this.#refuse(denied);
  }

  #refuse(denied: Denied): void {
    const { guard, devMode } = this.#context.stack;
    if (this.#res.destroyed) return;
    answer(this.#req, this.#res, guard.refusal(denied, this.#service.name), devMode);
  }

  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwatch?.();
    this.#context.open.delete(this);
    if (this.#connection !== null) this.#upstream.give(this.#connection, isProven(this.#decision));
  }
}

function isProven(decision: Decision | null): boolean {
  return decision?.verdict?.allowed === true;
}
