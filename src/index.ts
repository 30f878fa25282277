/**
 * The front door: what a program that embeds Countersign may rely on. `createGuard` judges requests by schemes and policies of
 * one's own; whoever wants those of a configuration takes an adapter (`countersign/node`, …), which makes its guard itself.
 * Named re-exports only.
 */
export { addressList, type AddressList } from './core/address.ts';
export type { Decision, Outcome } from './core/decision.ts';
export { createGuard, type Guard, type GuardedService, type GuardOptions } from './core/guard.ts';
export type { MaybePromise } from './core/maybe-promise.ts';
export { MODES, type Mode } from './core/mode.ts';
export type { ModeSource } from './core/mode-source.ts';
export type { Policy } from './core/policy.ts';
export type { Refusal } from './core/refusal.ts';
export type { AuthRequest } from './core/request.ts';
export type { Access, Route, RouteRule } from './core/route.ts';
export { routeTable, type RouteTable } from './core/route-table.ts';
export type { Scheme } from './core/scheme.ts';
export type { Store } from './core/store.ts';
export {
  allow,
  deny,
  denyPrincipal,
  REASONS,
  type Allowed,
  type Denied,
  type DeniedDetails,
  type Principal,
  type Reason,
  type Verdict,
} from './core/verdict.ts';
export { authoritySource, type AuthoritySource, type AuthoritySourceOptions } from './keys/sources/authority.ts';
