import type { MaybePromise } from './maybe-promise.ts';
import type { AuthRequest } from './request.ts';
import type { Route } from './route.ts';
import type { Denied, Principal } from './verdict.ts';

/** A rule that may object to a proven caller. It can never grant. */
export interface Policy {
  /** Lower case with hyphens: 'rate'. */
  readonly name: string;
  /** Null: no objection. Rejects or throws only when it cannot tell. */
  check(principal: Principal, request: AuthRequest, route: Route): MaybePromise<Denied | null>;
}
