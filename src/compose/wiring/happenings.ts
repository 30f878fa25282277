import { seldom } from '../../audit/seldom.ts';
import type { Trail } from '../../audit/chain/trail.ts';
import type { Decision } from '../../core/decision.ts';
import type { AuthRequest } from '../../core/request.ts';

/** What happens by itself, and belongs into the audit beside what somebody did. */
export interface Happenings {
  /** Looks for broken glass: each address is told of, seldom, with how often it happened. */
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

interface Uses {
  readonly uses: number;
  readonly service: string;
  readonly from: string;
}

export function happenings(trail: Trail): Happenings {
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
  const broken = seldom(
    ({ uses, service, from }: Uses) =>
      void trail.record(
        { type: 'glass.broken', subject: service, detail: { uses_since_last: uses } },
        { id: 'operator:break-glass', via: 'http', from },
      ),
    (before, now) => ({ ...now, uses: before.uses + now.uses }),
  );

  return {
    decided({ verdict }, { service, remoteAddress }) {
      if (verdict?.allowed && verdict.principal.id === 'operator:break-glass')
        broken.happened(remoteAddress, { uses: 1, service, from: remoteAddress });
    },
    adminRefused: (from, throttled) => guesses.happened('', { attempts: 1, throttled: throttled ? 1 : 0, from }),
    onLost: () => void trail.record({ type: 'feed.lost', subject: '' }),
    onRestored: (seconds) =>
      void trail.record({ type: 'feed.restored', subject: '', detail: { seconds: Math.round(seconds * 10) / 10 } }),
    onDropped: (count) => void trail.record({ type: 'decisions.dropped', subject: '', detail: { count } }),
    close() {
      guesses.close();
      broken.close();
    },
  };
}
