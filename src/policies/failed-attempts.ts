import type { Clock } from '../core/clock.ts';
import type { AuthRequest } from '../core/request.ts';
import type { LimitStore } from '../core/store.ts';
import { deny, type Denied, type Reason } from '../core/verdict.ts';
import { addressGroup } from './address-group.ts';

const WRONG_SECRETS: ReadonlySet<Reason> = new Set<Reason>([
  'invalid_credentials',
  'invalid_signature',
  'unknown_service',
]);

/**
 * A guess: something was presented and its secret is wrong. Missing, malformed, expired or revoked ones are not guesses, nor
 * is a right secret in the wrong place. Guesses at the override token have a gate of their own.
 */
function isWrongSecret(denied: Denied): boolean {
  return WRONG_SECRETS.has(denied.reason) && denied.caller?.proven !== true && denied.presentedAs !== 'override';
}

export interface FailedAttemptsOptions {
  readonly limits: LimitStore;
  readonly clock: Clock;
  readonly limit: number;
  readonly windowSeconds: number;
}

/**
 * Counts wrong secrets per client address on service routes and answers `rate_limited` above the limit. It sees refusals
 * only, so a right credential passes from any address at any time.
 */
export function failedAttempts(
  options: FailedAttemptsOptions,
): (denied: Denied, request: AuthRequest) => Denied | Promise<Denied> {
  const { limits, clock, limit, windowSeconds } = options;

  async function count(denied: Denied, request: AuthRequest): Promise<Denied> {
    const group = addressGroup(request.remoteAddress);
    try {
      const state = await limits.take(`failed:${group}`, limit, windowSeconds, clock());
      if (state.allowed) return denied;
      const note = `more than ${limit} wrong credentials from ${group} in ${windowSeconds} s; the last: ${denied.note}`;
      return deny('rate_limited', note, { ...detailsOf(denied), retryAfter: state.retryAfter });
    } catch {
      // The refusal was decided; a counter that is away must not turn it into an outage.
      return denied;
    }
  }

  return (denied, request) => (isWrongSecret(denied) ? count(denied, request) : denied);
}

function detailsOf(denied: Denied) {
  const { presentedAs, caller, scheme, credentialId, skewSeconds } = denied;
  return { presentedAs, caller, scheme, credentialId, skewSeconds };
}
