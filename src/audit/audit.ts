import type { Decision } from '../core/decision.ts';
import type { AuthRequest } from '../core/request.ts';
import type { Denied } from '../core/verdict.ts';

/** Where decisions go: the log line, the row and the metrics. Never blocks or fails a request. */
export interface Audit {
  decision(decision: Decision, request: AuthRequest): void;
  /** A refusal that no guard decided on: an unreadable request, an unknown service, an upstream that is away. */
  refused(denied: Denied, request: RefusedRequest): void;
  /** Prometheus text. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** How many rows were lost because the store could not keep up. */
  readonly dropped: number;
  /** Writes out what is buffered. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** As much as is known of a request that could not be read as an AuthRequest. */
export interface RefusedRequest {
  readonly method: string;
  readonly path: string;
  readonly service: string;
  readonly remoteAddress: string;
  readonly requestId: string;
}
