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

/** A guess: something was presented and its secret is wrong. Missing, malformed, expired or revoked ones are not guesses. */
export function isWrongSecret(denied: Denied): boolean {
  return WRONG_SECRETS.has(denied.reason);
}

/** A guess at the override token, which is guarded even where service routes count nothing. */
export function isWrongOverride(denied: Denied): boolean {
  return denied.presentedAs === 'override' && denied.reason === 'invalid_credentials';
}

export interface FailedAttemptsOptions {
  readonly limits: LimitStore;
  readonly clock: Clock;
  readonly limit: number;
  readonly windowSeconds: number;
  /** Which refusals count; wrong secrets unless said otherwise. */
  readonly counts?: (denied: Denied) => boolean;
}

/**
 * Counts wrong secrets per client address on service routes and answers `rate_limited` above the limit. It sees refusals
 * only, so a right credential passes from any address at any time.
 */
export function failedAttempts(
  options: FailedAttemptsOptions,
): (denied: Denied, request: AuthRequest) => Denied | Promise<Denied> {
  const { limits, clock, limit, windowSeconds, counts = isWrongSecret } = options;

  async function count(denied: Denied, request: AuthRequest): Promise<Denied> {
    const group = addressGroup(request.remoteAddress);
    try {
      const state = await limits.take(keyOf(denied, group), limit, windowSeconds, clock());
      if (state.allowed) return denied;
      const note = `more than ${limit} wrong credentials from ${group} in ${windowSeconds} s; the last: ${denied.note}`;
      return deny('rate_limited', note, { ...detailsOf(denied), retryAfter: state.retryAfter });
    } catch {
      // The refusal was decided; a counter that is away must not turn it into an outage.
      return denied;
    }
  }

  return (denied, request) => (counts(denied) ? count(denied, request) : denied);
}

/** Guesses at the override token count apart: the limits and windows of the two differ. */
function keyOf(denied: Denied, group: string): string {
  return isWrongOverride(denied) ? `failed:override:${group}` : `failed:${group}`;
}

function detailsOf(denied: Denied) {
  const { presentedAs, caller, scheme, credentialId, skewSeconds } = denied;
  return { presentedAs, caller, scheme, credentialId, skewSeconds };
}
