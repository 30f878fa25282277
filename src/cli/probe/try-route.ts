import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import { probeRequestId } from '../../core/probe.ts';
import type { Answer, AskedGateway } from './asked-gateway.ts';
import { forgedProofs, type Credentials, type Proof } from './credentials.ts';
import type { Target } from './plan.ts';

/** One request and its answer. */
export interface Attempt extends Answer {
  /** 'none', or how the credential was sent: 'Bearer', 'x-api-key', … */
  readonly form: string;
  readonly requestId: string;
}

/** All that was tried on one route. */
export interface Trial {
  readonly target: Target;
  readonly none: Attempt;
  readonly wrong: readonly Attempt[];
  readonly right: readonly Attempt[];
  /** Why no right credential could be tried; null where one was. */
  readonly untried: string | null;
}

/** Seconds until a server must know of a key that was made just now. */
const heardOfSeconds = 10;

export interface TriesOptions {
  readonly gateway: AskedGateway;
  readonly credentials: Credentials;
  /** A name for this run, of letters and digits. */
  readonly run: string;
}

/** How routes are tried, one request after the other. */
export function tries({ gateway, credentials, run }: TriesOptions): (target: Target) => Promise<Trial> {
  let count = 0;

  async function attempt(target: Target, proof: Proof | null): Promise<Attempt> {
    count += 1;
    const mark = `${run}-${count}`;
    const answer = await gateway.ask(target, mark, proof);
    return { ...answer, form: proof?.form ?? 'none', requestId: probeRequestId(mark, 'operator') };
  }

  async function rightAttempt(target: Target, proof: Proof): Promise<Attempt> {
    const deadline = systemClock() + (credentials.fresh ? heardOfSeconds : 0);
    for (;;) {
      const made = await attempt(target, proof);
      const unknown = made.status === 401 || made.outcome === 'would_deny';
      if (!unknown || systemClock() >= deadline) return made;
      await pause(200);
    }
  }

  return async (target) => {
    const { proofs, why } = await credentials.for(target);
    const none = await attempt(target, null);
    const right: Attempt[] = [];
    for (const proof of proofs) right.push(await rightAttempt(target, proof));
    const wrong: Attempt[] = [];
    for (const proof of forgedProofs(target)) wrong.push(await attempt(target, proof));
    return { target, none, wrong, right, untried: why };
  };
}
