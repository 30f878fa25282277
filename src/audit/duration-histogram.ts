import { Histogram, type MetricObjectWithValues, type MetricValueWithName } from 'prom-client';

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

  add(seconds: number): void {
    let index = 0;
    while (index < bounds.length && seconds > (bounds[index] as number)) index += 1;
    this.tally[index] = (this.tally[index] ?? 0) + 1;
    this.sum += seconds;
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    const base = await super.get();
    return { ...base, values: this.values(base.name) };
  }

  /** What the registry asks for when it writes the text form. */
  async getForPromString(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return this.get();
  }

  /** Cumulative, as the exposition format has it. */
  private values(name: string): MetricValueWithName<string>[] {
    const values: MetricValueWithName<string>[] = [];
    let count = 0;
    for (const [index, observed] of this.tally.entries()) {
      count += observed;
      const le = index < bounds.length ? String(bounds[index]) : '+Inf';
      values.push({ labels: { le }, value: count, metricName: `${name}_bucket` });
    }
    values.push({ labels: {}, value: this.sum, metricName: `${name}_sum` });
    values.push({ labels: {}, value: count, metricName: `${name}_count` });
    return values;
  }
}
