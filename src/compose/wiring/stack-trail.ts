import { hostname } from 'node:os';
import { trail, type Trail } from '../../audit/chain/trail.ts';
import type { Clock } from '../../core/clock.ts';
import type { Store } from '../../core/store.ts';

export interface StackTrailOptions {
  readonly store: Pick<Store, 'events'>;
  readonly clock: Clock;
  readonly warn: (text: string) => void;
}

/** The trail of a running stack, which acts in the name of its machine. */
export function stackTrail({ store, clock, warn }: StackTrailOptions): Trail {
  const from = hostname();
  return trail({
    events: store.events,
    clock,
    self: { id: `server:${from}`, via: 'server', from },
    warn,
  });
}
