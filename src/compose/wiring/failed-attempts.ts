import type { Clock } from '../../core/clock.ts';
import type { MaybePromise } from '../../core/maybe-promise.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { LimitStore } from '../../core/store.ts';
import type { Denied } from '../../core/verdict.ts';
import { failedAttempts } from '../../policies/failed-attempts.ts';
import type { StackConfig } from '../config.ts';

export interface RefusedAttemptsOptions {
  readonly limits: LimitStore;
  readonly clock: Clock;
  readonly config: () => StackConfig;
}

/** Limits on guessing at service routes, as the configuration in force says. */
export function refusedAttempts(
  options: RefusedAttemptsOptions,
): (denied: Denied, request: AuthRequest) => MaybePromise<Denied> {
  const { limits, clock, config } = options;
  let made: { readonly from: StackConfig['failedAttempts']; readonly count: ReturnType<typeof failedAttempts> } | null =
    null;
  return (denied, request) => {
    const wanted = config().failedAttempts;
    if (wanted === null) return denied;
    if (made?.from !== wanted) made = { from: wanted, count: failedAttempts({ limits, clock, ...wanted }) };
    return made.count(denied, request);
  };
}
