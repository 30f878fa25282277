import type { Principal } from '../core/verdict.ts';

/** Ends what a dead credential left open: streams and sockets, within a second of revocation or expiry. */
export interface Liveness {
  /** Calls `onDead` once when the principal's credential expires or is revoked; returns how to stop watching. */
  track(principal: Principal, onDead: () => void): () => void;
  close(): void;
}
