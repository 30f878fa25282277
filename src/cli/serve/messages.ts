import type { MetricSamples } from '../../audit/audit.ts';

/** At its start: what runs where, and what is wrong; or only the latter. What is so for all, one of them says. */
export type Says = 'all' | 'warnings' | 'nothing';

/** What the first process and its workers say to each other. */
export type ToWorker =
  /** The first one: who it is, and the configuration to run with, whatever the file says by then. */
  | { readonly kind: 'start'; readonly slot: number; readonly config: string; readonly says: Says }
  | { readonly kind: 'end'; readonly graceMillis: number }
  | { readonly kind: 'samples'; readonly question: number }
  | { readonly kind: 'samples of others'; readonly question: number; readonly of: readonly WorkerSamples[] };

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'samples'; readonly question: number; readonly samples: MetricSamples }
  | { readonly kind: 'samples of others'; readonly question: number };

export interface WorkerSamples {
  readonly worker: string;
  readonly samples: MetricSamples;
}
