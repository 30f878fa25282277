/** A rule that recorded traffic speaks for. */
export interface Proposal {
  readonly service: string;
  /** narrow: `callers` for a rule that is there; add: a new rule for paths that had none. */
  readonly kind: 'narrow' | 'add';
  /** The rule's place among the service's routes; null for a new one. */
  readonly index: number | null;
  readonly path: string;
  /** Null for all. */
  readonly methods: readonly string[] | null;
  readonly access: 'service' | null;
  /** Names of services; null for no rule on callers. */
  readonly callers: readonly string[] | null;
  readonly evidence: Evidence;
}

/** How much traffic that is. */
export interface Evidence {
  readonly requests: number;
  /** In how many different minutes. */
  readonly times: number;
  /** Epoch seconds. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly requestId: string;
}
