import type { MaybePromise } from './maybe-promise.ts';
import type { AuthRequest } from './request.ts';
import type { Denied, Principal, Verdict } from './verdict.ts';

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
  /**
   * Whether a principal that a scheme of this name proved, under another configuration perhaps, would be proven now by the same
   * credential. It answers from memory, of what it was configured with; that a credential has ended is told elsewhere. Left out: always.
   */
  stillProves?(principal: Principal): boolean;
  /** The WWW-Authenticate challenge that this scheme adds to a 401 or 403 (RFC 9110 §11.6.1), or null for none. */
  challenge(denied: Denied): string | null;
  /** Further fields of the refusal, by lower-case name: what a caller needs to do better next time. */
  refusalHeaders?(denied: Denied): Readonly<Record<string, string>>;
}
