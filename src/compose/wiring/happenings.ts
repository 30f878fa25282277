import { seldom } from '../../audit/seldom.ts';
import type { Trail } from '../../audit/chain/trail.ts';
import type { Clock } from '../../core/clock.ts';
import type { Decision } from '../../core/decision.ts';
import type { AuthRequest } from '../../core/request.ts';

/** What happens by itself, and belongs into the audit beside what somebody did. */
export interface Happenings {
  /** Looks for broken glass: each place is told once a minute, with how often it happened. */
  decided(decision: Decision, request: AuthRequest): void;
  /** Somebody did not know the admin token, or was turned away unread as one too many. */
  adminRefused(address: string, throttled: boolean): void;
  onLost(): void;
  onRestored(seconds: number): void;
  onDropped(count: number): void;
  /** Tells what has not been told yet. */
  close(): void;
}

interface Guesses {
  readonly attempts: number;
  readonly throttled: number;
  readonly from: string;
}

const glassSeconds = 60;
/** Places told apart; whoever holds the override token may come from many. */
const placesMax = 1000;

export function happenings(trail: Trail, clock: Clock): Happenings {
  // All addresses as one: whoever guesses may come from any number of them.
  const guesses = seldom(
    ({ attempts, throttled, from }: Guesses) =>
      void trail.record(
        { type: 'admin.refused', subject: '', detail: { attempts, ...(throttled > 0 && { throttled }) } },
        { id: 'operator:admin?', via: 'http', from },
      ),
    (before, now) => ({
      attempts: before.attempts + now.attempts,
      throttled: before.throttled + now.throttled,
      from: now.from,
    }),
  );
  const places = new Map<string, { readonly since: number; untold: number }>();

  function glass(service: string, address: string): void {
    const now = clock();
    const place = places.get(address);
    if (place && now - place.since < glassSeconds) {
      place.untold += 1;
      return;
    }
    if (places.size >= placesMax) places.clear();
    places.set(address, { since: now, untold: 0 });
    const detail = { uses_since_last: (place?.untold ?? 0) + 1 };
    void trail.record(
      { type: 'glass.broken', subject: service, detail },
      { id: 'operator:break-glass', via: 'http', from: address },
    );
  }

  return {
    decided({ verdict }, { service, remoteAddress }) {
      if (verdict?.allowed && verdict.principal.id === 'operator:break-glass') glass(service, remoteAddress);
    },
    adminRefused: (from, throttled) => guesses.happened('', { attempts: 1, throttled: throttled ? 1 : 0, from }),
    onLost: () => void trail.record({ type: 'feed.lost', subject: '' }),
    onRestored: (seconds) =>
      void trail.record({ type: 'feed.restored', subject: '', detail: { seconds: Math.round(seconds * 10) / 10 } }),
    onDropped: (count) => void trail.record({ type: 'decisions.dropped', subject: '', detail: { count } }),
    close: () => guesses.close(),
  };
}
