import type { MaybePromise } from './maybe-promise.ts';
import type { AuthRequest } from './request.ts';
import type { Denied, Verdict } from './verdict.ts';

/** One way to prove who is asking. */
export interface Scheme {
  /** Lower case with hyphens, as a principal and the audit name it: 'api-key'. */
  readonly name: string;
  /**
   * Null: the request carries no credential of this kind. A verdict: it does, and this is the judgement; a broken credential
   * of this kind is judged, never skipped. Rejects or throws only when it cannot tell (a store is away): the request is then
   * refused as unavailable.
   */
  authenticate(request: AuthRequest): MaybePromise<Verdict | null>;
  /** The WWW-Authenticate challenge that this scheme adds to a 401 or 403 (RFC 9110 §11.6.1), or null for none. */
  challenge(denied: Denied): string | null;
  /** Further fields of the refusal, by lower-case name: what a caller needs to do better next time. */
  refusalHeaders?(denied: Denied): Readonly<Record<string, string>>;
}
