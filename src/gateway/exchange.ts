import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { discardBody } from '../adapters/node/discard-body.ts';
import type { NodeRequest } from '../adapters/node/request.ts';
import { awaitsContinue, hasBody } from '../adapters/node/request-shape.ts';
import type { ServiceConfig } from '../compose/config.ts';
import { unlessDiscovery } from '../compose/oauth-discovery.ts';
import type { UpstreamSpan } from '../compose/wiring/tracing.ts';
import type { Decision } from '../core/decision.ts';
import { Lasting } from '../core/lasting.ts';
import { isPromise } from '../core/maybe-promise.ts';
import { deny, type Denied } from '../core/verdict.ts';
import { messageOf } from '../core/message-of.ts';
import { answer, lasting } from './answer.ts';
import type { ExchangeContext, ExchangeOptions, UnderWay } from './exchange-options.ts';
import { clientHeaders } from './headers/response-headers.ts';
import { FilteredAnswer } from './mcp/filtered-answer.ts';
import { rulesInForce } from './mcp/judged.ts';
import { outgoing } from './outgoing.ts';
import { openTunnel } from './tunnel.ts';
import type { ResponseHandler, UpstreamConnection, UpstreamRequest } from './upstream/connection.ts';
import { upstreamFault, type UpstreamError } from './upstream/fault.ts';
import type { ResponseHead } from './upstream/response-head.ts';
import type { Upstream } from './upstream/upstreams.ts';

const repeatable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * One request on its way through: from the verdict to the last byte. It is the handler that the connection calls back, so that
 * a request costs one object and no closures.
 */
export class Exchange implements ResponseHandler, UnderWay {
  readonly #context: ExchangeContext;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #request: NodeRequest;
  readonly #service: ServiceConfig;
  readonly #upstream: Upstream;
  readonly #upgrade: Duplex | null;
  readonly #options: ExchangeOptions;
  #sent: UpstreamRequest | null = null;
  /** Who hears of the answer first. */
  #handler: ResponseHandler = this;
  #decision: Decision | null = null;
  #connection: UpstreamConnection | null = null;
  #hasPlace = false;
  #lasting: Lasting | null = null;
  #endTunnel: (() => void) | null = null;
  #span: UpstreamSpan | null = null;
  #headSent = false;
  /** True once the head is on its way: not before it is known whether the body came with it. */
  #flushed = false;
  #draining = false;
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
    this.#upgrade = options.upgrade;
    this.#options = options;
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
      this.#fail(deny('unavailable', `the gateway failed: ${messageOf(error)}`));
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
    if (!upstream.take(isProven(decision)))
      return this.#fail(deny('unavailable', `too many requests to ${this.#service.name} are open`, { retryAfter: 1 }));
    this.#hasPlace = true;
    const { basePath } = upstream;
    const asked = { request: this.#request, target: this.#options.target, service: this.#service, basePath };
    const inForce = rulesInForce(decision, stack.seal, asked);
    if (inForce !== null) this.#handler = new FilteredAnswer(this, inForce, (fault) => this.#recordFault(fault));
    const out = outgoing(this.#options, { decision, held, key, inForce });
    // What a client that lost its session is told too: it opens another one.
    if (out === null) return this.#fail(deny('not_found', 'the MCP session is not that of this caller'));
    this.#span = out.span;
    this.#sent = out.sent;
    if (out.sent.body === this.#req && awaitsContinue(this.#req)) this.#res.writeContinue();
    open.add(this);
    this.#res.on('close', () => this.#clientClosed());
    this.#send(this.#upgrade === null ? upstream.connection() : upstream.newConnection(true));
  }

  #send(connection: UpstreamConnection): void {
    this.#connection = connection;
    if (this.#sent !== null) connection.send(this.#sent, this.#handler);
  }

  onHead({ status, lines }: ResponseHead): void {
    this.#res.writeHead(status, clientHeaders(lines, this.#options));
    this.#headSent = true;
    this.#span?.answered(status);
    this.#timed(this.#connection?.waitedMillis ?? null);
  }

  /** Strangers, who pass in report mode, can ask for what is slow: it must not count against the service. */
  #timed(millis: number | null): void {
    if (millis !== null && isProven(this.#decision))
      this.#context.stack.audit.answered(this.#service.name, millis * 1000);
  }

  onBody(bytes: Buffer): boolean {
    this.#flushed = true;
    const more = this.#res.write(lasting(bytes), 'latin1');
    if (!more && !this.#draining) {
      this.#draining = true;
      this.#res.once('drain', () => this.#drained());
    }
    return more;
  }

  #drained(): void {
    this.#draining = false;
    // Over, its connection may be another's by now.
    if (!this.#closed) this.#connection?.resume();
  }

  /** An event stream's client waits for the head, though no byte of the body came with it. */
  onPause(): void {
    if (this.#flushed || !this.#headSent) return;
    this.#flushed = true;
    this.#res.flushHeaders();
  }

  onEnd(last: Buffer | null): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#release();
    if (connection !== null) this.#upstream.keep(connection);
    if (last === null) this.#res.end();
    else this.#res.end(lasting(last), 'latin1');
    // The upstream answered before it had read the body. Undrained, the connection could serve no next request.
    if (!this.#req.complete) discardBody(this.#req, (drained) => drained || this.#req.socket.destroy());
  }

  onSwitch({ status, lines }: ResponseHead, socket: Duplex): void {
    const client = this.#upgrade;
    if (client === null) {
      socket.destroy();
      this.#fail(deny('upstream_unreachable', `${this.#service.upstream} switched protocols unasked`));
      return;
    }
    this.#headSent = true;
    this.#span?.answered(status);
    this.#timed(this.#connection?.waitedMillis ?? null);
    this.#connection = null;
    this.#res.detachSocket(this.#req.socket);
    this.#endTunnel = openTunnel(client, socket, clientHeaders(lines, this.#options), () => this.#release());
  }

  onError(error: UpstreamError): void {
    if (this.#closed) return;
    if (this.#headSent || error.code === 'client_gone') {
      if (error.code === 'bad_response') this.#recordFault(error);
      // Ending in peace would make half an answer look whole.
      this.#release();
      this.#res.destroy();
      return;
    }
    if (error.stale && !this.#retried && this.#sent?.body === null && repeatable.has(this.#request.method)) {
      // The upstream closed the idle connection just as it was used again (RFC 9110 §9.2.2 allows the repetition).
      this.#retried = true;
      this.#send(this.#upstream.newConnection(false));
      return;
    }
    this.#fail(upstreamFault(error, this.#service.upstream));
  }

  /** Called every now and then. What lasts is held to what is enforced by now, and to its credential. `now`: milliseconds. */
  sweep(now: number): void {
    if (this.#swept) this.#look();
    this.#swept = true;
    if (this.#closed || this.#headSent || this.#connection === null) return;
    if (this.#waitingSince === 0 || this.#connection.waitsForClient) this.#waitingSince = now;
    if (now - this.#waitingSince < this.#upstream.headersTimeout) return;
    this.#timed(now - this.#waitingSince);
    this.#fail(deny('upstream_timeout', `${this.#service.upstream} sent no response head in time`));
  }

  #look(): void {
    const decision = this.#decision;
    if (this.#closed || decision === null) return;
    const passed = { request: this.#request, decision };
    this.#lasting ??= new Lasting(passed, this.#context.stack, (denied, isRefusal) => this.#cut(denied, isRefusal));
    this.#lasting.look();
  }

  /** Ends the exchange at once, for a gateway that closes: no fault of the service, so none is recorded. */
  destroy(): void {
    const isUnanswered = !this.#closed && !this.#headSent;
    this.#endTunnel?.();
    this.#release();
    if (isUnanswered) this.#refuse(deny('unavailable', 'the gateway ends', { retryAfter: 1 }));
    else this.#res.destroy();
  }

  #cut(denied: Denied, isRefusal: boolean): void {
    if (this.#closed) return;
    if (isRefusal && (this.#endTunnel !== null || this.#headSent)) this.#record(denied);
    if (this.#endTunnel !== null) this.#endTunnel();
    else if (this.#headSent) this.#res.destroy();
    else this.#fail(denied);
  }

  #clientClosed(): void {
    if (this.#closed || this.#endTunnel !== null) return;
    this.#release();
  }

  /** Of an answer that has begun, nothing else would tell why it broke off. */
  #recordFault(error: UpstreamError): void {
    this.#record(upstreamFault(error, this.#service.upstream));
  }

  #record(denied: Denied): void {
    const { method, path, service, remoteAddress, requestId } = this.#request;
    this.#context.stack.audit.refused(denied, { method, path, service, remoteAddress, requestId }, this.#decision);
  }

  /** A refusal that the guard did not decide on. */
  #fail(denied: Denied): void {
    this.#release();
    this.#record(denied);
    if (this.#headSent) this.#res.destroy();
    else this.#refuse(denied);
  }

  #refuse(denied: Denied): void {
    const { guard, devMode } = this.#context.stack;
    if (this.#res.destroyed) return;
    const refusal = unlessDiscovery(guard.refusal(denied, this.#service.name), this.#request.path);
    answer(this.#req, this.#res, refusal, devMode);
  }

  /** The exchange is over, however it ended. A connection that still carries it is ended with it. */
  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lasting?.release();
    this.#context.open.delete(this);
    if (this.#hasPlace) this.#upstream.give(isProven(this.#decision));
    this.#connection?.destroy();
    this.#span?.end();
  }
}

function isProven(decision: Decision | null): boolean {
  return decision?.verdict?.allowed === true;
}
