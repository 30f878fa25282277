import type { Denied } from '../../core/verdict.ts';
import { bearerChallenge, isScopeToken, quotedString, realm } from '../bearer-challenge.ts';
import { ALGORITHMS } from './key-set.ts';

export interface ChallengeParts {
  /** Where the resource describes itself (RFC 9728 §5.1). */
  readonly metadataUrl: string;
  /** What a client asks for first. */
  readonly scopes: readonly string[];
}

/**
 * The Bearer challenge that every scheme sends, and where to get a token. A client that lacks a scope is told all that it
 * needs, what it has included, since it gets what it asks for and no more.
 */
export function oauthChallenge(denied: Denied, { metadataUrl, scopes }: ChallengeParts): string {
  const stepUp = denied.reason === 'insufficient_scope';
  const wanted = stepUp ? [...denied.heldScopes, ...denied.requiredScopes] : scopes;
  const named = [...new Set(wanted)].filter(isScopeToken);
  const plain =
    denied.presentedAs === 'dpop' ? dpopChallenge(denied) : bearerChallenge({ ...denied, requiredScopes: [] });
  const parts = [plain, `resource_metadata=${quotedString(metadataUrl)}`];
  // A 403 that no scope would turn into a yes must not send the client to ask for one.
  if (named.length > 0 && (stepUp || denied.caller?.proven !== true))
    parts.push(`scope=${quotedString(named.join(' '))}`);
  return parts.join(', ');
}

/** RFC 9449 §7.1. */
function dpopChallenge({ reason }: Denied): string {
  const ofProof = ['invalid_signature', 'timestamp_outside_window', 'replayed'].includes(reason);
  const ofToken = ['malformed_credentials', 'invalid_credentials', 'expired', 'revoked'].includes(reason);
  const error = ofProof
    ? 'invalid_dpop_proof'
    : ofToken
      ? 'invalid_token'
      : reason === 'insufficient_scope'
        ? reason
        : null;
  const named = error === null ? '' : `, error=${quotedString(error)}`;
  return `DPoP realm=${quotedString(realm)}, algs=${quotedString(ALGORITHMS.join(' '))}${named}`;
}
