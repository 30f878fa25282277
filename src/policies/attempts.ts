import type { Clock } from '../core/clock.ts';
import type { LimitStore } from '../core/store.ts';
import { addressGroup } from './address-group.ts';

/**
 * Slows down guessing without locking out whoever knows the secret: below the limit a wrong secret is counted; above it
 * every attempt of that address waits its turn, one a second, and those beyond a short queue are turned away unread.
 */
export interface AttemptGate {
  /** Judges one attempt; `check` says whether the secret is right and is called at most once. */
  attempt(address: string, check: () => boolean): Promise<AttemptResult>;
}

export type AttemptResult =
  | { readonly result: 'right' }
  | { readonly result: 'wrong' }
  /** Wrong and over the limit, or turned away unread. */
  | { readonly result: 'limited'; readonly retryAfter: number };

export interface AttemptGateOptions {
  readonly limits: LimitStore;
  readonly clock: Clock;
  /** Wrong secrets per window and address before the slow lane begins. */
  readonly limit: number;
  readonly windowSeconds: number;
  /** Sets the counts of one secret apart from those of others: 'admin', 'override'. */
  readonly secret: string;
  /** Resolves after so many seconds; handed in, so that tests can move time. */
  readonly wait?: (seconds: number) => Promise<void>;
  /** Addresses remembered in this process at once. */
  readonly addressesMax?: number;
}

/** What this process knows of one address; the store knows the count too, across restarts and replicas. */
interface Lane {
  /** Wrong secrets in the window that ends at `windowEnds`, as far as seen. */
  wrong: number;
  windowEnds: number;
  /** Attempts that are somewhere between arriving and being answered. */
  present: number;
  /** Wrong secrets that are on their way to the store. */
  counting: number;
  /** Attempts waiting for their turn in the slow lane. */
  queued: number;
  nextTurn: number;
}

const turnSeconds = 1;
const queueMax = 5;
const RIGHT: AttemptResult = { result: 'right' };
const WRONG: AttemptResult = { result: 'wrong' };

export function attemptGate(options: AttemptGateOptions): AttemptGate {
  const { limits, clock, limit, windowSeconds, secret, wait = realWait, addressesMax = 10_000 } = options;
  const lanes = new Map<string, Lane>();
  // Where more addresses are busy at once than we remember, they share one lane: bounded, and never unguarded.
  const crowd = newLane();

  function laneOf(group: string): Lane {
    let lane = lanes.get(group);
    if (lane) return lane;
    if (lanes.size >= addressesMax && !forgetOne()) return crowd;
    lanes.set(group, (lane = newLane()));
    return lane;
  }

  /** The longest-known lane goes first; the store still has its count. */
  function forgetOne(): boolean {
    let looked = 0;
    for (const [group, lane] of lanes) {
      if (lane.present === 0) return lanes.delete(group);
      if ((looked += 1) === 16) return false;
    }
    return false;
  }

  /** A store that is away neither opens nor shuts the gate: what this process counted itself still holds. */
  async function learn(lane: Lane, group: string): Promise<void> {
    try {
      const now = clock();
      const state = await limits.peek(keyOf(secret, group), limit, now);
      see(lane, state.count, now + state.retryAfter);
    } catch {
      return;
    }
  }

  async function countWrong(lane: Lane, group: string): Promise<AttemptResult> {
    const now = clock();
    lane.counting += 1;
    try {
      const state = await limits.take(keyOf(secret, group), limit, windowSeconds, now);
      see(lane, state.count, now + state.retryAfter);
      return state.allowed ? WRONG : { result: 'limited', retryAfter: state.retryAfter };
    } catch {
      const full = wrongOf(lane) >= limit;
      if (!full) see(lane, wrongOf(lane) + 1, lane.windowEnds > now ? lane.windowEnds : now + windowSeconds);
      return full ? { result: 'limited', retryAfter: lane.windowEnds - now } : WRONG;
    } finally {
      lane.counting -= 1;
    }
  }

  function wrongOf(lane: Lane): number {
    return clock() < lane.windowEnds ? lane.wrong : 0;
  }

  /** Answers of the store may overtake one another: within a window the count only grows. */
  function see(lane: Lane, count: number, windowEnds: number): void {
    const wrong = Math.max(count, wrongOf(lane));
    lane.wrong = wrong;
    if (count > 0) lane.windowEnds = Math.max(lane.windowEnds, windowEnds);
  }

  async function judge(lane: Lane, group: string, check: () => boolean): Promise<AttemptResult> {
    await learn(lane, group);
    // Those on their way count as well, or a burst would be read whole before the first one is written down.
    if (wrongOf(lane) + lane.counting >= limit) {
      if (lane.queued >= queueMax) return { result: 'limited', retryAfter: queueMax * turnSeconds };
      await turn(lane);
    }
    return check() ? RIGHT : countWrong(lane, group);
  }

  async function turn(lane: Lane): Promise<void> {
    const now = clock();
    const at = Math.max(now, lane.nextTurn);
    lane.nextTurn = at + turnSeconds;
    lane.queued += 1;
    try {
      if (at > now) await wait(at - now);
    } finally {
      lane.queued -= 1;
    }
  }

  return {
    async attempt(address, check) {
      const group = addressGroup(address);
      const lane = laneOf(group);
      lane.present += 1;
      try {
        return await judge(lane, group, check);
      } finally {
        lane.present -= 1;
        // Whoever only ever proved itself leaves nothing behind.
        if (lane.present === 0 && wrongOf(lane) === 0 && lanes.get(group) === lane) lanes.delete(group);
      }
    },
  };
}

function newLane(): Lane {
  return { wrong: 0, windowEnds: 0, present: 0, counting: 0, queued: 0, nextTurn: 0 };
}

function keyOf(secret: string, group: string): string {
  return `attempts:${secret}:${group}`;
}

function realWait(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000).unref();
  });
}
