import {
  context,
  propagation,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Tracer,
} from '@opentelemetry/api';
import type { Decision } from '../../core/decision.ts';
import type { AuthRequest } from '../../core/request.ts';
import { version } from '../version.ts';

/** Spans of OpenTelemetry: one per decision, and one per call of an upstream. */
export interface Tracing {
  /** Call it once for each decision, when it has been made; resolves to the id of its trace. */
  decided(decision: Decision, request: AuthRequest): string;
  /**
   * Begins the span of the call that follows a decision, and puts its traceparent and tracestate in place of the caller's into
   * the header lines, a flat list of names and values.
   */
  upstream(request: AuthRequest, host: string, lines: string[]): UpstreamSpan;
}

export interface UpstreamSpan {
  /** The head of the answer is there. */
  answered(status: number): void;
  /** The call is over; without an answer it failed. */
  end(): void;
}

/** Null when nobody has registered a tracer provider by now: then no request does anything about traces. */
export function tracing(): Tracing | null {
  const provider = trace.getTracerProvider();
  if (provider instanceof ProxyTracerProvider && provider.getDelegateTracer('countersign') === undefined) return null;
  return spans(trace.getTracer('countersign', version));
}

const fieldsOfTrace: ReadonlySet<string> = new Set(['traceparent', 'tracestate']);

function spans(tracer: Tracer): Tracing {
  const decisions = new WeakMap<AuthRequest, Context>();
  return {
    decided(decision, request) {
      const parent = parentOf(request);
      const now = Date.now();
      const startTime = now - decision.durationMicros / 1000;
      const attributes = attributesOf(decision, request);
      const span = tracer.startSpan('countersign.decide', { kind: SpanKind.INTERNAL, startTime, attributes }, parent);
      if (attributes['countersign.reason'] === 'unavailable') span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(now);
      decisions.set(request, trace.setSpan(parent, span));
      return span.spanContext().traceId;
    },

    upstream(request, host, lines) {
      const parent = decisions.get(request) ?? parentOf(request);
      const attributes = { 'http.request.method': request.method, 'server.address': host };
      const span = tracer.startSpan(request.method, { kind: SpanKind.CLIENT, attributes }, parent);
      replaceTrace(lines, trace.setSpan(parent, span));
      let failed = true;
      return {
        answered(status) {
          failed = status >= 500;
          span.setAttribute('http.response.status_code', status);
        },
        end() {
          if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
          span.end();
        },
      };
    },
  };
}

/** The span under way in this process, where the framework has one; else what the caller's headers say. */
function parentOf(request: AuthRequest): Context {
  const active = context.active();
  if (trace.getSpan(active) !== undefined) return active;
  return propagation.extract(ROOT_CONTEXT, request, {
    keys: () => [...fieldsOfTrace],
    get(asked, name) {
      const found = asked.fields(name);
      // Two parents are none (W3C Trace Context §3.2.2); the state may come in several lines.
      if (name === 'traceparent') return found.length === 1 ? found[0] : undefined;
      return found.length === 0 ? undefined : found.join(',');
    },
  });
}

function attributesOf({ verdict, route, mode, outcome }: Decision, request: AuthRequest): Attributes {
  const proven = verdict?.allowed ? verdict.principal.id : verdict?.caller?.proven ? verdict.caller.id : null;
  return {
    'countersign.service': request.service,
    'countersign.route': route.label,
    'countersign.mode': mode,
    'countersign.outcome': outcome,
    'countersign.request_id': request.requestId,
    'http.request.method': request.method,
    ...(verdict && !verdict.allowed && { 'countersign.reason': verdict.reason }),
    ...(proven !== null && { 'enduser.id': proven }),
  };
}

function replaceTrace(lines: string[], current: Context): void {
  const ours: Record<string, string> = {};
  propagation.inject(current, ours);
  if (ours['traceparent'] === undefined) return;
  let kept = 0;
  for (let at = 0; at < lines.length; at += 2) {
    const [name = '', value = ''] = [lines[at], lines[at + 1]];
    if (fieldsOfTrace.has(name.toLowerCase())) continue;
    lines[kept] = name;
    lines[kept + 1] = value;
    kept += 2;
  }
  lines.length = kept;
  for (const name of fieldsOfTrace) if (ours[name]) lines.push(name, ours[name]);
}
