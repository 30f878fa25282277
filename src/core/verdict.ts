import type { AddressList } from './address.ts';

/** Every way to refuse, one row each: status, wire code and the words that the caller sees. */
export interface ReasonRow {
  readonly status: number;
  readonly words: string;
  /** Other words for the same reason, by how the credential was presented. */
  readonly wordsFor?: Partial<Record<PresentedAs, string>>;
}

/** How a refused credential arrived; it decides the public words, nothing else. */
export type PresentedAs = 'bearer' | 'dpop' | 'x-api-key' | 'admin-token' | 'signature' | 'override';

const INVALID_TOKEN: ReasonRow = {
  status: 401,
  words: 'Invalid or expired token',
  wordsFor: { 'x-api-key': 'Invalid API key', 'admin-token': 'Invalid admin token' },
};

/** By reason code. docs/reasons.md says of each what to do. */
export const REASONS = {
  missing_credentials: { status: 401, words: 'Missing Authorization header' },
  malformed_credentials: { status: 401, words: 'Invalid Authorization header format' },
  invalid_credentials: INVALID_TOKEN,
  expired: INVALID_TOKEN,
  revoked: INVALID_TOKEN,
  invalid_signature: { status: 401, words: 'Invalid signature' },
  timestamp_outside_window: { status: 401, words: 'Timestamp outside allowed window' },
  unknown_service: { status: 401, words: 'Unknown service' },
  replayed: { status: 401, words: 'Replayed request' },
  not_allowed: { status: 403, words: 'Caller not allowed' },
  insufficient_scope: { status: 403, words: 'Insufficient scope' },
  address_not_allowed: { status: 403, words: 'Address not allowed' },
  tool_not_allowed: { status: 403, words: 'Tool not allowed' },
  rate_limited: { status: 429, words: 'Rate limit exceeded' },
  unavailable: { status: 503, words: 'Authentication unavailable' },
  bad_request: { status: 400, words: 'Bad request' },
  header_mismatch: { status: 400, words: 'Header mismatch' },
  no_such_service: { status: 404, words: 'No such service' },
  not_found: { status: 404, words: 'Not found' },
  method_not_allowed: { status: 405, words: 'Method not allowed' },
  too_large: { status: 413, words: 'Request body too large' },
  upstream_unreachable: { status: 502, words: 'Upstream unreachable' },
  upstream_timeout: { status: 504, words: 'Upstream timed out' },
} as const satisfies Record<string, ReasonRow>;

/** Why a request is refused: docs/reasons.md. */
export type Reason = keyof typeof REASONS;

/** Who was proven. It is logged and traced, so it never holds a secret. */
export interface Principal {
  /** 'service:aidb', 'holder:embeddings', 'token:<uuid>', 'client:<id>', 'operator:<name>'. */
  readonly id: string;
  /** By which it was proven: the scheme's name. */
  readonly scheme: string;
  /** The public id of the key, token or certificate. */
  readonly credentialId: string;
  /** What the credential was given; empty for nothing in particular. */
  readonly scopes: readonly string[];
  /** Epoch seconds; null when the credential has no end. */
  readonly expiresAt: number | null;
  /** Where the credential may be used from; null for anywhere. */
  readonly addresses: AddressList | null;
}

/** The credential is right; as the verdict of a decision, no policy objected either. */
export interface Allowed {
  readonly allowed: true;
  readonly principal: Principal;
  /** The caller's clock minus ours, seconds; null where the scheme carries no time. */
  readonly skewSeconds: number | null;
}

/** The request is not allowed: what the caller is told by `reason`, and what is only for the operator. */
export interface Denied {
  readonly allowed: false;
  readonly reason: Reason;
  /** For the operator's log: what was wrong and what to do. Never sent to the caller, never a secret. */
  readonly note: string;
  /** In which form the credential came, where the public words depend on it. */
  readonly presentedAs: PresentedAs | null;
  /** The caller when it is known: proven (a policy objected, or only time or life failed), or merely claimed. */
  readonly caller: { readonly id: string; readonly proven: boolean } | null;
  /** The name of the scheme that judged; null where none did. */
  readonly scheme: string | null;
  /** The public id of the credential; null where it is not known. */
  readonly credentialId: string | null;
  /** As in Allowed. */
  readonly skewSeconds: number | null;
  /** Seconds, for rate_limited and unavailable. */
  readonly retryAfter: number | null;
  /** What would have been enough, for insufficient_scope. */
  readonly requiredScopes: readonly string[];
  /** What the proven caller had: who asks for more must not lose it. */
  readonly heldScopes: readonly string[];
  /** Of the JSON-RPC request, for header_mismatch: its answer is one of that protocol. */
  readonly messageId: string | number | null;
  /** No key that is known here fits, and one that was made a moment ago might. */
  readonly mayBeNew: boolean;
}

/** What a scheme, and then the policies, say of one request. */
export type Verdict = Allowed | Denied;

/** The credential is right. `skewSeconds`: the caller's clock minus ours; null where the scheme carries no time. */
export function allow(principal: Principal, skewSeconds: number | null = null): Allowed {
  return { allowed: true, principal, skewSeconds };
}

/** What else is known of a refusal; what is left out is null, or none. */
export type DeniedDetails = Partial<Omit<Denied, 'allowed' | 'reason' | 'note'>>;

/** The credential is wrong, or there is none. `note` is for the operator's log alone and never holds a secret. */
export function deny(reason: Reason, note: string, details: DeniedDetails = {}): Denied {
  return {
    allowed: false,
    reason,
    note,
    presentedAs: details.presentedAs ?? null,
    caller: details.caller ?? null,
    scheme: details.scheme ?? null,
    credentialId: details.credentialId ?? null,
    skewSeconds: details.skewSeconds ?? null,
    retryAfter: details.retryAfter ?? null,
    requiredScopes: details.requiredScopes ?? [],
    heldScopes: details.heldScopes ?? [],
    messageId: details.messageId ?? null,
    mayBeNew: details.mayBeNew ?? false,
  };
}

/** A policy's objection: the caller is proven and named. */
export function denyPrincipal(principal: Principal, reason: Reason, note: string, details: DeniedDetails = {}): Denied {
  return deny(reason, note, {
    caller: { id: principal.id, proven: true },
    scheme: principal.scheme,
    credentialId: principal.credentialId,
    heldScopes: principal.scopes,
    ...details,
  });
}
