import type { Denied } from '../core/verdict.ts';

export const realm = 'countersign';

/**
 * The Bearer challenge of RFC 6750 §3, the same from every scheme that reads a Bearer, so that a guard sends it once.
 * Without a credential it names no error (§3.1); a broken signature or override token is no fault of a Bearer.
 */
export function bearerChallenge(denied: Denied): string {
  const challenge = `Bearer realm=${quotedString(realm)}`;
  switch (denied.reason) {
    case 'malformed_credentials':
    case 'invalid_credentials':
    case 'expired':
    case 'revoked': {
      const other = denied.presentedAs === 'signature' || denied.presentedAs === 'override';
      return other ? challenge : `${challenge}, error="invalid_token"`;
    }
    case 'insufficient_scope': {
      const scopes = denied.requiredScopes.filter(isScopeToken);
      const scope = scopes.length > 0 ? `, scope=${quotedString(scopes.join(' '))}` : '';
      return `${challenge}, error="insufficient_scope"${scope}`;
    }
    default:
      return challenge;
  }
}

/** RFC 9110 §5.6.4. Throws on what no field value may hold, since a line break would begin another header. */
export function quotedString(text: string): string {
  if (!/^[\x20-\x7e]*$/.test(text)) throw new TypeError('a quoted string holds printable ASCII only');
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** RFC 6749 §3.3; what is none could not be sent and is left out. */
export function isScopeToken(scope: string): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope);
}
