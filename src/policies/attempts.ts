import type { Clock } from '../core/clock.ts';
import type { LimitStore } from '../core/store.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import { addressGroup } from './address-group.ts';

/**
 * Slows down guessing without locking out whoever knows the secret: below the limit a wrong secret is counted; above it
 * every attempt of that address waits, and one a second is read, by whichever process of all that share the store. Who is drawn
 * by lot, so that a flood of guesses does not keep out whoever knows the secret and asks again: of so many who wait at once, each
 * has an equal chance every second.
 */
export interface AttemptGate {
  /** Judges one attempt; `check` says whether the secret is right and is called at most once. What it rejects with is not counted. */
  attempt(address: string, check: () => MaybePromise<boolean>): Promise<AttemptResult>;
}

export type AttemptResult =
  | { readonly result: 'right' }
  | { readonly result: 'wrong' }
  /** Wrong and over the limit, or turned away unread: worth another try after so many seconds. */
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
  /** A number from 0 up to below 1; handed in, so that tests can draw the lots. */
  readonly random?: () => number;
  /** How far into a second those who wait ask for its turn; another one each time, so that no process is always the first. */
  readonly offset?: () => number;
  /** Addresses remembered in this process at once. */
  readonly addressesMax?: number;
}

/** What this process knows of one address; the store knows the count too, across restarts and replicas. */
interface Lane {
  readonly name: string;
  /** Wrong secrets in the window that ends at `windowEnds`, as far as seen. */
  wrong: number;
  windowEnds: number;
  /** Attempts that are somewhere between arriving and being answered. */
  present: number;
  /** Attempts that are being looked at, and wrong ones on their way to the store. */
  counting: number;
  /** Those who wait in the slow lane. */
  waiting: Waiter[];
  /** The last second, since the epoch, whose turn was asked for. */
  askedFor: number;
}

interface Waiter {
  readonly until: number;
  /** True: it is read now. False: it is turned away. */
  readonly go: (drawn: boolean) => void;
}

/** Shorter than HTTP clients wait for an answer. Guessers are held as long, which keeps them from coming again faster. */
const patienceSeconds = 20;
/** Each holds a connection. Beyond it a newcomer takes the place of one of them, drawn by lot as well. */
const waitersMax = 256;
const againSeconds = 5;
const RIGHT: AttemptResult = { result: 'right' };
const WRONG: AttemptResult = { result: 'wrong' };

export function attemptGate(options: AttemptGateOptions): AttemptGate {
  const { limits, clock, limit, windowSeconds, secret, wait = realWait } = options;
  const { random = Math.random, offset = Math.random, addressesMax = 10_000 } = options;
  const lanes = new Map<string, Lane>();
  // Where more addresses are busy at once than we remember, they share one lane: bounded, and never unguarded.
  const crowd = newLane('');

  function laneOf(group: string): Lane {
    let lane = lanes.get(group);
    if (lane) return lane;
    if (lanes.size >= addressesMax && !forgetOne()) return crowd;
    lanes.set(group, (lane = newLane(group)));
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
    try {
      const state = await limits.take(keyOf(secret, group), limit, windowSeconds, now);
      see(lane, state.count, now + state.retryAfter);
      return state.allowed ? WRONG : { result: 'limited', retryAfter: state.retryAfter };
    } catch {
      const full = wrongOf(lane) >= limit;
      if (!full) see(lane, wrongOf(lane) + 1, lane.windowEnds > now ? lane.windowEnds : now + windowSeconds);
      return full ? { result: 'limited', retryAfter: lane.windowEnds - now } : WRONG;
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

  async function judge(lane: Lane, group: string, check: () => MaybePromise<boolean>): Promise<AttemptResult> {
    await learn(lane, group);
    // Those on their way count as well, or a burst would be read whole before the first one is written down.
    const slow = wrongOf(lane) + lane.counting >= limit;
    if (slow && !(await turn(lane))) return { result: 'limited', retryAfter: againSeconds };
    const looked = check();
    if (looked === true) return RIGHT;
    lane.counting += 1;
    try {
      return (await looked) ? RIGHT : await countWrong(lane, group);
    } finally {
      lane.counting -= 1;
    }
  }

  /** Resolves to false when the lot did not fall on this attempt for as long as it may wait. */
  async function turn(lane: Lane): Promise<boolean> {
    if (lane.waiting.length === 0 && (await isOurTurn(lane))) return true;
    return new Promise((go) => {
      if (lane.waiting.length >= waitersMax) draw(lane)?.go(false);
      lane.waiting.push({ until: clock() + patienceSeconds, go });
      if (lane.waiting.length === 1) void serve(lane);
    });
  }

  /** Whether this second's attempt is read here: asked of the store once a second, and while it is away everywhere. */
  async function isOurTurn(lane: Lane): Promise<boolean> {
    const now = clock();
    const second = Math.floor(now);
    if (second === lane.askedFor) return false;
    const wasSetBack = second < lane.askedFor;
    lane.askedFor = second;
    try {
      // Of the seconds that a clock goes through again the store may say that they are over.
      return (await limits.once(`turn:${secret}:${lane.name}:${second}`, second + 2, now)) || wasSetBack;
    } catch {
      return true;
    }
  }

  /** Reads one a second for as long as anybody waits. */
  async function serve(lane: Lane): Promise<void> {
    while (lane.waiting.length > 0) {
      await wait(1 - (clock() % 1) + offset());
      if (await isOurTurn(lane)) draw(lane)?.go(true);
      const now = clock();
      const tired = lane.waiting.filter(({ until }) => until <= now);
      lane.waiting = lane.waiting.filter(({ until }) => until > now);
      for (const { go } of tired) go(false);
    }
  }

  function draw(lane: Lane): Waiter | undefined {
    return lane.waiting.splice(Math.floor(random() * lane.waiting.length), 1)[0];
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

function newLane(name: string): Lane {
  return { name, wrong: 0, windowEnds: 0, present: 0, counting: 0, waiting: [], askedFor: 0 };
}

function keyOf(secret: string, group: string): string {
  return `attempts:${secret}:${group}`;
}

function realWait(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000).unref();
  });
}
