import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Outcome } from '../core/decision.ts';
import { MODES } from '../core/mode.ts';
import type { DecisionRow } from '../core/store.ts';
import { REASONS } from '../core/verdict.ts';
import { DurationHistogram } from './duration-histogram.ts';
import type { MetricSamples } from './worker-metrics.ts';

/** The end of one key in force. */
export interface KeyExpiry {
  readonly service: string;
  readonly credentialId: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
  /** Whether another key took its place. */
  readonly replaced: boolean;
}

/** How far what is held in memory is behind the store. */
export interface StoreStaleness {
  /** Seconds; null while it is level. */
  seconds(): number | null;
  readonly resyncs: number;
}

/** Where the ramp is. */
export interface RampSeen {
  readonly name: string;
  readonly status: string;
  /** From 1. */
  readonly step: number;
}

/** The numbers that /metrics shows. Counting is plain arithmetic; prom-client is asked only when someone scrapes. */
export interface DecisionMetrics {
  count(row: DecisionRow): void;
  /** Prometheus text. */
  text(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** The same as values. */
  samples(): Promise<MetricSamples>;
}

export interface DecisionMetricsOptions {
  /** Names that callers make up must not become labels. */
  readonly knowsService: (name: string) => boolean;
  readonly expiries: () => readonly KeyExpiry[];
  /** Resolves when the store answers. */
  readonly ping: () => Promise<void>;
  readonly staleness: StoreStaleness;
  readonly dropped: () => number;
  /** Recorder.waiting. */
  readonly waiting: () => boolean;
  /** Null where there has been none. */
  readonly ramp: () => RampSeen | null;
}

const outcomes: readonly Outcome[] = ['allow', 'deny', 'would_deny', 'public'];
const reasons: readonly string[] = ['', ...Object.keys(REASONS)];
const reasonIndex: ReadonlyMap<string, number> = new Map(reasons.map((reason, index) => [reason, index]));
const cells = outcomes.length * reasons.length * MODES.length;
/** Callers whose clocks are shown; those that were seen longest ago go first. */
const skewsMax = 1000;
const pingMillisMax = 2000;

export function decisionMetrics(options: DecisionMetricsOptions): DecisionMetrics {
  // By service, then scheme: one small table of counts each, so that counting builds no string.
  const tables = new Map<string, Map<string, Float64Array>>();
  const skews = new Map<string, number>();
  const registry = new Registry();
  const durations = new DurationHistogram(registry);
  registerDecisions(registry, tables);
  registerGauges(registry, options, skews);
  registerRamp(registry, options.ramp);
  const process = processMetrics();

  function tableOf(service: string, scheme: string): Float64Array {
    // Asked again for what was not known, since a reload may have brought it; it stays low in number all the same.
    const label = tables.has(service) || options.knowsService(service) ? service : '';
    let byScheme = tables.get(label);
    if (!byScheme) tables.set(label, (byScheme = new Map<string, Float64Array>()));
    let table = byScheme.get(scheme);
    if (!table) byScheme.set(scheme, (table = new Float64Array(cells)));
    return table;
  }

  return {
    count(row) {
      const table = tables.get(row.service)?.get(row.scheme) ?? tableOf(row.service, row.scheme);
      const cell = cellOf(row);
      table[cell] = (table[cell] ?? 0) + 1;
      // A refusal that nobody decided on took no time to decide.
      if (row.durationMicros > 0) durations.add(row.durationMicros / 1e6);
      // Only a proven caller's clock: a claim would let anyone write into this number.
      if (row.skewSeconds !== null && row.principal.startsWith('service:'))
        remember(skews, row.principal.slice(8), row.skewSeconds);
    },
    async text() {
      const [own, shared] = await Promise.all([registry.metrics(), process.metrics()]);
      return { contentType: registry.contentType, text: `${own}\n${shared}` };
    },
    async samples() {
      const [own, shared] = await Promise.all([registry.getMetricsAsJSON(), process.getMetricsAsJSON()]);
      return [...own, ...shared];
    },
  };
}

function cellOf(row: DecisionRow): number {
  const outcome = outcomes.indexOf(row.outcome);
  return (outcome * reasons.length + (reasonIndex.get(row.reason) ?? 0)) * MODES.length + MODES.indexOf(row.mode);
}

function remember(skews: Map<string, number>, service: string, skewSeconds: number): void {
  if (!skews.has(service) && skews.size >= skewsMax) {
    const [oldest] = skews.keys();
    if (oldest !== undefined) skews.delete(oldest);
  }
  skews.set(service, skewSeconds);
}

function registerDecisions(registry: Registry, tables: ReadonlyMap<string, ReadonlyMap<string, Float64Array>>): void {
  registry.registerMetric(
    new Counter({
      name: 'countersign_decisions_total',
      help: 'Decisions by service, outcome, reason, mode and scheme.',
      labelNames: ['service', 'outcome', 'reason', 'mode', 'scheme'],
      registers: [],
      collect() {
        this.reset();
        for (const [service, byScheme] of tables)
          for (const [scheme, table] of byScheme)
            for (const [cell, count] of table.entries())
              if (count > 0) this.inc({ service, ...labelsOf(cell), scheme }, count);
      },
    }),
  );
}

function labelsOf(cell: number) {
  const above = Math.floor(cell / MODES.length);
  return {
    outcome: outcomes[Math.floor(above / reasons.length)] ?? '',
    reason: reasons[above % reasons.length] ?? '',
    mode: MODES[cell % MODES.length] ?? '',
  };
}

function registerGauges(registry: Registry, options: DecisionMetricsOptions, skews: ReadonlyMap<string, number>): void {
  const registers = [registry];
  const gauges = [
    new Gauge({
      name: 'countersign_key_expiry_timestamp_seconds',
      help: 'When a key ends, in epoch seconds; keys without an end are left out.',
      labelNames: ['service', 'credential'],
      registers,
      collect() {
        this.reset();
        // It is read behind this one, being registered later: every key is looked at once for both.
        replacedKeys.reset();
        for (const { service, credentialId: credential, expiresAt, replaced } of options.expiries()) {
          this.set({ service, credential }, expiresAt);
          if (replaced) replacedKeys.set({ service, credential }, 1);
        }
      },
    }),
    new Gauge({
      name: 'countersign_clock_skew_seconds',
      help: "A caller's clock minus ours, in seconds, as last seen in a signature of this service.",
      labelNames: ['service'],
      registers,
      collect() {
        this.reset();
        for (const [service, seconds] of skews) this.set({ service }, seconds);
      },
    }),
    new Counter({
      name: 'countersign_audit_dropped_total',
      help: 'Decisions that were lost because the store could not keep up.',
      registers,
      collect() {
        this.reset();
        this.inc(options.dropped());
      },
    }),
    new Gauge({
      name: 'countersign_store_up',
      help: 'Whether the store answers and takes what is written: 1 or 0.',
      registers,
      async collect() {
        this.set((await answers(options.ping)) && !options.waiting() ? 1 : 0);
      },
    }),
    new Gauge({
      name: 'countersign_store_stale_seconds',
      help: 'For how long changes of the store may have been missed; 0 while memory is level with it.',
      registers,
      collect() {
        this.set(options.staleness.seconds() ?? 0);
      },
    }),
    new Counter({
      name: 'countersign_store_resyncs_total',
      help: 'How often everything was read anew because changes may have been missed.',
      registers,
      collect() {
        this.reset();
        this.inc(options.staleness.resyncs);
      },
    }),
  ];
  // Filled by the gauge of ends.
  const replacedKeys = new Gauge({
    name: 'countersign_key_replaced',
    help: '1 for a key that ends and whose place another has taken: its end needs no heed.',
    labelNames: ['service', 'credential'],
    registers,
  });
  for (const gauge of [...gauges, replacedKeys]) registry.registerMetric(gauge);
}

function registerRamp(registry: Registry, ramp: () => RampSeen | null): void {
  const registers = [registry];
  const gauges = [
    new Gauge({
      name: 'countersign_ramp_status',
      help: '1 for what the ramp is: running, paused, stopped, finished or withdrawn.',
      labelNames: ['ramp', 'status'],
      registers,
      collect() {
        this.reset();
        const seen = ramp();
        if (seen) this.set({ ramp: seen.name, status: seen.status }, 1);
      },
    }),
    new Gauge({
      name: 'countersign_ramp_step',
      help: 'The step of the ramp that is under way, from 1.',
      labelNames: ['ramp'],
      registers,
      collect() {
        this.reset();
        const seen = ramp();
        if (seen) this.set({ ramp: seen.name }, seen.step);
      },
    }),
  ];
  for (const gauge of gauges) registry.registerMetric(gauge);
}

/** A store that hangs is as good as away: a scrape must not hang with it. */
async function answers(ping: () => Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), pingMillisMax);
  });
  try {
    return await Promise.race([
      ping().then(
        () => true,
        () => false,
      ),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}

let shared: Registry | null = null;

/** CPU, memory and event loop belong to the process, not to a stack: there is one set, however many stacks run. */
function processMetrics(): Registry {
  if (shared) return shared;
  shared = new Registry();
  collectDefaultMetrics({ register: shared });
  return shared;
}
