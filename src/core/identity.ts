import type { Decision } from './decision.ts';
import type { Principal } from './verdict.ts';

/** The headers by which an upstream learns who was proven. All are always set, empty when there is none. */
export const IDENTITY_HEADERS = ['X-Auth-Request-User', 'X-Auth-Principal', 'X-Auth-Scopes', 'X-Auth-Mode'] as const;

/** Values in the order of IDENTITY_HEADERS. */
export function identityValues(decision: Decision): readonly [string, string, string, string] {
  const principal = decision.verdict?.allowed ? decision.verdict.principal : null;
  if (!principal) return ['', '', '', decision.mode];
  return [userOf(principal), principal.id, principal.scopes.join(' '), decision.mode];
}

function userOf(principal: Principal): string {
  return principal.id.slice(principal.id.indexOf(':') + 1);
}

/**
 * True for a header that an upstream could take for one of ours. CGI and WSGI turn '-' into '_', and some servers do so with
 * everything but letters and digits, so X_Auth_User, X.Auth.User and X!Auth!User count too. X-Auth-Token is a credential by
 * wide custom, not an identity, and passes.
 */
export function isIdentityHeader(name: string): boolean {
  // Cheap first: all but a few names fail on length or the first letters.
  if (name.length < 7) return false;
  // 'x', then any character, then 'au', in either case.
  if ((name.charCodeAt(0) | 0x20) !== 0x78) return false;
  if ((name.charCodeAt(2) | 0x20) !== 0x61 || (name.charCodeAt(3) | 0x20) !== 0x75) return false;
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, '-');
  return plain.startsWith('x-auth-') && plain !== 'x-auth-token';
}

/**
 * Names by which usual proxies, from Apache and Authelia to those of clouds, tell a service who is asking, and of which certificate
 * (RFC 9440 §2.4). Services that stood behind one go on believing them. Of names in lower case, with
 * dashes.
 */
export const identityClaims =
  /^(?:(?:x-)?remote-(?:user|groups?|name|email)|x-(?:webauth|authentik|consumer|remote-extra|goog-authenticated-user)-.+|x-ms-client-principal(?:-.+)?|x-amzn-oidc-.+|tailscale-user-.+|cf-access-authenticated-user-.+|client-cert(?:-chain)?|(?:x-)?ssl-client-.+)$/;
