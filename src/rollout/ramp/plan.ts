import { addressList } from '../../core/address.ts';
import { fits } from '../../core/glob.ts';

/** What is to be enforced, for whom and when: written before it begins, and kept as it was when it did. */
export interface RampPlan {
  readonly name: string;
  readonly steps: readonly RampStep[];
  /** How often the gates are asked, seconds. */
  readonly intervalSeconds: number;
  /** Requests of proven callers, allowed on the routes of a step, without which nothing is known about it. */
  readonly minSamples: number;
  /**
   * Requests of known callers that a step may refuse, at all replicas together, before it is rolled back. A replica that has seen
   * more by itself does not wait for the gates, which count for all of them.
   */
  readonly failureLimit: number;
  /** How often in a row every gate must have said yes before the next step. */
  readonly consecutiveSuccessLimit: number;
  /** How often in a row the gates may be unable to tell before the ramp pauses; null: for ever. */
  readonly inconclusiveLimit: number | null;
  readonly gates: RampGates;
  readonly exempt: readonly Exemption[];
}

export interface RampStep {
  /** Globs over service and rule: 'embeddings/embed', 'aidb/*', '*'. */
  readonly routes: readonly string[];
  /** Of 100 callers; which ones stays the same. */
  readonly callersPercent: number;
  /** How long it is watched at least, seconds. */
  readonly soakSeconds: number;
  /** 'manual': the next step waits for an operator. */
  readonly promote: 'auto' | 'manual';
}

export interface RampGates {
  /** Whether a caller who only claims a known name counts like one who proved it. */
  readonly claims: 'count' | 'ignore';
  /** Part of the allowed requests of proven callers that may fail at the upstream, from 0 to 1; null: not looked at. */
  readonly upstreamErrors: number | null;
  /** 99 of 100 decisions on proven callers who are allowed take at most so long, microseconds; null: not looked at. */
  readonly decisionMicros: number | null;
  /** 99 of 100 answers of a service begin within so many microseconds; null: not looked at. */
  readonly answerMicros: number | null;
  /** How far a caller's clock may be off, seconds; null: not looked at. */
  readonly clockSkewSeconds: number | null;
  /** Whether a caller's last key may end before the step does. */
  readonly keyExpiry: boolean;
  /** An address that answers 2xx while all is well. */
  readonly health: string | null;
}

/** Whoever is let pass for a time, as in report, where the ramp enforces. */
export interface Exemption {
  /** A principal's id, which must be proven; null: by address. */
  readonly caller: string | null;
  /** CIDR notation, for callers who can prove nothing; of no account where a caller is named. */
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  /** Epoch seconds. */
  readonly until: number;
  readonly owner: string;
  readonly reason: string;
}

export interface Asker {
  /** Null where nobody was proven. */
  readonly caller: string | null;
  readonly address: string;
  readonly service: string;
  readonly label: string;
}

/** Whether somebody is let pass for a time, whatever the ramp enforces. */
export function isExempt(
  exempt: readonly Exemption[],
  { caller, address, service, label }: Asker,
  now: number,
): boolean {
  return exempt.some(
    (one) =>
      now < one.until &&
      meansRoute(one.routes, service, label) &&
      (one.caller !== null ? one.caller === caller : addressList(one.addresses).contains(address)),
  );
}

/** Whether one of the globs means this rule of this service; `*` stands for any characters. */
export function meansRoute(globs: readonly string[], service: string, label: string): boolean {
  const name = routeName(service, label);
  return globs.some((glob) => fits(glob, name));
}

/** 'embeddings/embed'; the rule of all that has no rule is 'embeddings/*'. */
export function routeName(service: string, label: string): string {
  return `${service}${label.startsWith('/') ? '' : '/'}${label}`;
}
