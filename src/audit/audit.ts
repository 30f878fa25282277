import type { Clock } from '../core/clock.ts';
import type { Decision } from '../core/decision.ts';
import { isOperatorProbe } from '../core/probe.ts';
import type { AuthRequest } from '../core/request.ts';
import type { DecisionKeeper, DecisionRow, UsageStore } from '../core/store.ts';
import { traceIdIn } from '../core/trace-context.ts';
import type { Denied, Principal } from '../core/verdict.ts';
import { decisionRow, refusedRow, type RefusedRequest } from './decision-row.ts';
import { isKeyHolder, keyUsage } from './key-usage.ts';
import { authorityLine, logLine } from './log-line.ts';
import { decisionMetrics, type KeyExpiry, type RampSeen, type StoreStaleness } from './metrics.ts';
import { recorder } from './recorder.ts';
import { textOfWorkers, type MetricSamples, type Workers } from './worker-metrics.ts';

export type { MetricSamples } from './worker-metrics.ts';

export type { RefusedRequest } from './decision-row.ts';

/** Where decisions go: the log line, the row and the metrics. Never blocks or fails a request. */
export interface Audit {
  /** `traceId`: of the span that was made for it, if one was; else the log line has the one that the caller named. */
  decision(decision: Decision, request: AuthRequest, traceId?: string): void;
  /**
   * A refusal that no guard decided on: an unreadable request, an unknown service, an upstream that is away. `decision`: by which
   * the request had been let pass before.
   */
  refused(denied: Denied, request: RefusedRequest, decision?: Decision | null): void;
  /** The authority itself refused what it was asked: a log line and nothing else. */
  turnedAway(denied: Denied, request: RefusedRequest): void;
  /** Microseconds from the end of a request that was allowed to the head of the service's answer. */
  answered(service: string, micros: number): void;
  /** A credential was right outside service routes: only its use is kept. */
  used(principal: Principal, clientAddress: string): void;
  /** Prometheus text; of all workers where there are several. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** What this process counted. */
  samples(): Promise<MetricSamples>;
  /** How many rows were lost because the store could not keep up. */
  readonly dropped: number;
  /** The store has refused rows for a second or two, and they wait: it is away, or full. */
  readonly waiting: boolean;
  /** Writes out what is buffered. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface AuditOptions {
  /** Takes each decision as one JSON line without a line end (see lineWriter); null: no lines. */
  readonly log: ((line: string) => void) | null;
  /** Keeps a row per decision; null: no rows. */
  readonly store: DecisionKeeper | null;
  /** Keeps when keys were used; null: nothing is kept of it. */
  readonly usage: UsageStore | null;
  /** Rows older than this, or beyond the newest so many, are removed in the background. */
  readonly retain: { readonly seconds: number; readonly rows: number };
  readonly clock: Clock;
  /** Whether a service of this name is configured: names that callers make up do not become metric labels. */
  readonly knowsService: (name: string) => boolean;
  /** Ends of the keys in force (LiveKeyring.expiries). */
  readonly expiries: () => readonly KeyExpiry[];
  /** Resolves when the store answers (Store.ping). */
  readonly ping: () => Promise<void>;
  /** How far memory is behind the store. */
  readonly staleness: StoreStaleness;
  /** Where the ramp is; null where there has been none. */
  readonly ramp: () => RampSeen | null;
  /** Takes a line in plain words for the operator when rows are lost. */
  readonly warn?: (text: string) => void;
  /** The processes beside this one; null: it is alone. */
  readonly workers?: Workers | null;
  /** Told how many rows were lost, once the store takes rows again or at the end. */
  readonly onDropped?: (count: number) => void;
}

export function audit(options: AuditOptions): Audit {
  const { log, store, clock, retain, warn = () => undefined, workers = null } = options;
  const rows = store ? recorder({ store, retain, clock, warn, onDropped: options.onDropped }) : null;
  const usage = options.usage ? keyUsage(options.usage) : null;
  const metrics = decisionMetrics({
    knowsService: options.knowsService,
    expiries: options.expiries,
    ping: options.ping,
    staleness: options.staleness,
    dropped: () => rows?.dropped ?? 0,
    waiting: () => rows?.waiting ?? false,
    ramp: options.ramp,
  });

  function keep(row: DecisionRow, traceId: string | null = null): void {
    // What an operator asks is kept, and found: but no caller did it, and no key was used by who has it.
    if (!isOperatorProbe(row.requestId)) {
      metrics.count(row);
      usage?.decided(row);
    }
    rows?.add(row);
    log?.(logLine(row, traceId));
  }

  return {
    decision: (decision, request, traceId) =>
      keep(decisionRow(decision, request, clock()), traceId ?? (log && traceIdIn(request))),
    refused: (denied, request, decision) => keep(refusedRow(denied, request, clock(), decision)),
    turnedAway: (denied, request) => log?.(authorityLine(refusedRow(denied, request, clock()))),
    answered: (service, micros) => rows?.answered(service, micros),
    used({ id, credentialId }, clientAddress) {
      if (isKeyHolder(id)) usage?.used(credentialId, id, clientAddress, clock());
    },
    async metrics() {
      const own = await metrics.text();
      return workers ? { ...own, text: await textOfWorkers(workers, await metrics.samples()) } : own;
    },
    samples: () => metrics.samples(),
    get dropped() {
      return rows?.dropped ?? 0;
    },
    get waiting() {
      return rows?.waiting ?? false;
    },
    async flush() {
      await Promise.all([rows?.flush(), usage?.flush()]);
    },
    async close() {
      await Promise.all([rows?.close(), usage?.close()]);
    },
  };
}
