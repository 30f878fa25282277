import { compactVerify, decodeJwt, decodeProtectedHeader, errors, type JWTPayload } from 'jose';
import { scopePattern } from '../../core/scope.ts';
import type { Principal, Reason } from '../../core/verdict.ts';
import type { TokenIssuer } from './issuer.ts';
import { ALGORITHMS } from './key-set.ts';

/** An access token that is what it says. */
export interface AccessToken {
  readonly principal: Principal;
  readonly issuer: TokenIssuer;
  /** The issuer's before its key was asked for: one that was taken away meanwhile is not the one that counts now. */
  readonly generation: number;
  /** All for whom it was made. */
  readonly audiences: readonly unknown[];
  readonly clientId: string;
  readonly tokenId: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** The thumbprint of the key that its holder must prove to have (RFC 9449 §6.1); null for a plain Bearer. */
  readonly boundTo: string | null;
}

export interface TokenFault {
  readonly reason: Extract<Reason, 'invalid_credentials' | 'expired'>;
  readonly note: string;
  /** Who the token says it is of, unproven. */
  readonly claimed: string | null;
}

export interface TokenRules {
  /** Those of which one must stand in `aud` (RFC 8707 §2). */
  readonly audiences: readonly string[];
  readonly issuer: (iss: string) => TokenIssuer | null;
  readonly now: number;
}

/** How far the issuer's clock may be ahead, seconds. An end is an end. */
const aheadSecondsMax = 30;
const scopesMax = 256;
const jwtShape = /^eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*$/;

/** Whether a Bearer has the shape of a JWT, a broken or unsigned one too. */
export function isJwtShaped(token: string): boolean {
  return jwtShape.test(token);
}

/**
 * RFC 9068 §4. In order of cost: shape and claims, time, signature. Rejects only when the issuer's keys cannot be had.
 */
export async function readAccessToken(token: string, rules: TokenRules): Promise<AccessToken | TokenFault> {
  const read = claimsOf(token, rules);
  if ('reason' in read) return read;
  const { accessToken, header } = read;
  const key = await accessToken.issuer.key(header);
  if (key === null) return fault(`${accessToken.issuer.issuer} has no key that fits the header of the token`);
  try {
    await compactVerify(token, key, { algorithms: [...ALGORITHMS] });
  } catch (error) {
    if (!(error instanceof errors.JOSEError || error instanceof TypeError)) throw error;
    return { ...fault('the signature of the token is wrong'), claimed: accessToken.principal.id };
  }
  proven.set(accessToken.principal, accessToken);
  return accessToken;
}

/** By what a token proves, for as long as something lasts for which it was good. */
const proven = new WeakMap<Principal, AccessToken>();

/** The token that proved this very principal; null for none. */
export function accessTokenOf(principal: Principal): AccessToken | null {
  return proven.get(principal) ?? null;
}

interface Claims {
  readonly header: ReturnType<typeof decodeProtectedHeader>;
  readonly accessToken: AccessToken;
}

function claimsOf(token: string, { audiences, issuer: issuerOf, now }: TokenRules): Claims | TokenFault {
  let header: Claims['header'];
  let claims: JWTPayload;
  try {
    header = decodeProtectedHeader(token);
    claims = decodeJwt(token);
  } catch {
    return fault('the token has the shape of a JWT and is none');
  }
  if (!ALGORITHMS.includes(header.alg ?? '')) return fault('the token is signed by no algorithm that counts here');
  // RFC 9068 §2.1: an ID token or any other JWT of the same issuer is no access token.
  if (!/^(?:application\/)?at\+jwt$/i.test(header.typ ?? '')) return fault('the token is not of the type at+jwt');
  if (header.crit !== undefined) return fault('the token has critical extensions, and none is known here');
  const { iss, aud, sub, exp, nbf, iat, jti, client_id: clientId } = claims;
  const issuer = typeof iss === 'string' ? issuerOf(iss) : null;
  if (issuer === null) return fault('the issuer of the token is not trusted here');
  if (typeof clientId !== 'string' || !/^[\x21-\x7e]{1,512}$/.test(clientId)) return fault('the token names no client');
  const claimed = `client:${clientId}`;
  const among = Array.isArray(aud) ? aud : [aud];
  if (!among.some((audience) => audience !== undefined && audiences.includes(audience)))
    return { ...fault(`the token is for another resource, not for ${audiences[0]}`), claimed };
  if (typeof sub !== 'string' || typeof jti !== 'string' || jti === '' || !isTime(iat) || !isTime(exp))
    return { ...fault('the token lacks one of sub, jti, iat and exp'), claimed };
  if (exp <= now) return { reason: 'expired', note: 'the access token has expired', claimed };
  if (iat > now + aheadSecondsMax || (nbf !== undefined && !(isTime(nbf) && nbf <= now + aheadSecondsMax)))
    return { ...fault('the token is not valid yet'), claimed };
  const scopes = scopesOf(claims['scope']);
  if (scopes === null) return { ...fault('the scopes of the token cannot be read'), claimed };
  const boundTo = confirmation(claims['cnf']);
  if (boundTo === undefined) return { ...fault('the token is bound to its holder in a way not known here'), claimed };
  const principal: Principal = {
    id: claimed,
    scheme: 'oauth',
    credentialId: jti.length <= 128 && /^[\x21-\x7e]+$/.test(jti) ? jti : '',
    scopes,
    expiresAt: exp,
    addresses: null,
  };
  const { generation } = issuer;
  const times = { issuedAt: iat, expiresAt: exp };
  const accessToken = { principal, issuer, generation, audiences: among, clientId, tokenId: jti, ...times, boundTo };
  return { header, accessToken };
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** RFC 8693 §4.2: one string, separated by spaces. */
function scopesOf(value: unknown): string[] | null {
  if (value === undefined) return [];
  if (typeof value !== 'string') return null;
  const scopes = value.split(' ').filter((scope) => scope !== '');
  return scopes.length <= scopesMax && scopes.every((scope) => scopePattern.test(scope)) ? scopes : null;
}

/** Undefined for a binding of another kind, to a certificate say: to pass over it would be to drop it. */
function confirmation(cnf: unknown): string | null | undefined {
  if (cnf === undefined) return null;
  if (typeof cnf !== 'object' || cnf === null || Object.keys(cnf).length !== 1 || !('jkt' in cnf)) return undefined;
  return typeof cnf.jkt === 'string' ? cnf.jkt : undefined;
}

function fault(note: string): TokenFault {
  return { reason: 'invalid_credentials', note, claimed: null };
}
