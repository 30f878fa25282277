import { Histogram, type MetricValueWithName, type Registry } from 'prom-client';

const metricName = 'countersign_decision_duration_seconds';
const metricHelp = 'Time spent deciding, in seconds.';

/** Upper bounds in seconds, 1 µs to 1 s: a decision from memory takes a few microseconds, one that asks a store far more. */
const bounds: readonly number[] = [
  0.000001, 0.0000025, 0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 1,
];

/**
 * A Prometheus histogram without labels whose observations cost an array increment: prom-client's own `observe` hashes its
 * labels each time, which takes longer than most decisions do.
 */
export class DurationHistogram extends Histogram {
  private readonly tally = new Float64Array(bounds.length + 1);
  private sum = 0;

  constructor(registry: Registry) {
    super({ name: metricName, help: metricHelp, registers: [registry] });
  }

  add(seconds: number): void {
    let index = 0;
    while (index < bounds.length && seconds > (bounds[index] as number)) index += 1;
    this.tally[index] = (this.tally[index] ?? 0) + 1;
    this.sum += seconds;
  }

  /** What the registry asks for when it writes the text form, and what it asks for otherwise. */
  async getForPromString() {
    return this.get();
  }

  // The package declares a number for `type`, and a member more, where it has and wants what stands here.
  override async get(): Promise<never> {
    return { name: metricName, help: metricHelp, type: 'histogram', aggregator: 'sum', values: this.values() } as never;
  }

  /** Cumulative, as the exposition format has it. */
  private values(): MetricValueWithName<string>[] {
    const values: MetricValueWithName<string>[] = [];
    let count = 0;
    for (const [index, observed] of this.tally.entries()) {
      count += observed;
      const le = index < bounds.length ? String(bounds[index]) : '+Inf';
      values.push({ labels: { le }, value: count, metricName: `${metricName}_bucket` });
    }
    values.push({ labels: {}, value: this.sum, metricName: `${metricName}_sum` });
    values.push({ labels: {}, value: count, metricName: `${metricName}_count` });
    return values;
  }
}
