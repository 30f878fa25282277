import { AggregatorRegistry, type MetricObjectWithValues, type MetricValueWithName } from 'prom-client';

/** What one process counted, as it can be sent to another. */
export type MetricSamples = readonly MetricObjectWithValues<MetricValueWithName<string>>[];

/** Several processes that serve one stack behind the same doors. */
export interface Workers {
  /** The name of this one, stable across restarts: '1'. */
  readonly own: string;
  /** What the others counted; without those that do not say in time. */
  others(): Promise<readonly { readonly worker: string; readonly samples: MetricSamples }[]>;
}

/**
 * One text for all of them, each sample with the label `worker`. Not summed up: a worker that starts anew begins at zero, and
 * of a sum that falls Prometheus would make an increase.
 */
export async function textOfWorkers(workers: Workers, own: MetricSamples): Promise<string> {
  const all = [{ worker: workers.own, samples: own }, ...(await workers.others())];
  const labelled = all.map(({ worker, samples }) =>
    samples.map((metric) => ({
      ...metric,
      // No two have the same labels, so nothing is added up; without it some would be left out.
      aggregator: 'sum',
      values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, worker } })),
    })),
  );
  return AggregatorRegistry.aggregate(labelled).metrics();
}
