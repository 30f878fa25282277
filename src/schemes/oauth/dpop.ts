import { calculateJwkThumbprint, compactVerify, decodeJwt, decodeProtectedHeader, EmbeddedJWK, errors } from 'jose';
import type { AuthRequest } from '../../core/request.ts';
import type { Reason } from '../../core/verdict.ts';
import { sha256 } from '../../crypto/digest.ts';
import { ALGORITHMS } from './key-set.ts';

export interface ProofRules {
  /** The access token that comes with the proof, and the thumbprint of the key that it is bound to. */
  readonly token: string;
  readonly boundTo: string;
  readonly now: number;
  /** True for exactly one caller per key until `expiresAt`. */
  readonly once: (key: string, expiresAt: number) => Promise<boolean>;
}

export interface ProofFault {
  readonly reason: Extract<Reason, 'invalid_signature' | 'timestamp_outside_window' | 'replayed'>;
  readonly note: string;
}

/** How old a proof may be, and how far the clock of its maker may be ahead, seconds. */
const ageSecondsMax = 60;
const aheadSecondsMax = 30;

/** RFC 9449 §4.3; null when the proof holds. A proof's id is taken last, so that no forger can use one up. */
export async function proofFault(request: AuthRequest, rules: ProofRules): Promise<ProofFault | null> {
  const lines = request.fields('dpop');
  const [proof] = lines;
  if (proof === undefined || lines.length > 1 || proof.length > 8192)
    return wrong('there is not exactly one DPoP proof');
  let header: ReturnType<typeof decodeProtectedHeader>;
  let claims: ReturnType<typeof decodeJwt>;
  try {
    header = decodeProtectedHeader(proof);
    claims = decodeJwt(proof);
  } catch {
    return wrong('the DPoP proof is no JWT');
  }
  // Whoever wrote the header may have written null where the library's types know an object or nothing.
  const jwk = header.jwk ?? null;
  const isOurs = header.typ === 'dpop+jwt' && ALGORITHMS.includes(header.alg ?? '');
  if (!isOurs || typeof jwk !== 'object' || jwk === null || 'd' in jwk)
    return wrong('the header of the DPoP proof is not as RFC 9449 has it');
  const { htm, htu, jti, iat, exp, nbf, ath } = claims as Record<string, unknown>;
  if (typeof jti !== 'string' || jti === '' || jti.length > 512) return wrong('the DPoP proof has no id');
  if (htm !== request.method) return wrong('the DPoP proof is for another method');
  const address = plainUrl(urlOf(request));
  // Without a host the first part of the path would be read as one.
  if (typeof htu !== 'string' || request.authority === '' || address === null || plainUrl(htu) !== address)
    return wrong(`the DPoP proof is for another address than ${urlOf(request)}`);
  if (typeof iat !== 'number' || !(iat > rules.now - ageSecondsMax && iat <= rules.now + aheadSecondsMax))
    return { reason: 'timestamp_outside_window', note: 'the DPoP proof was not made just now' };
  // A proof needs neither; whoever writes one of them means it (RFC 7519 §4.1.4, §4.1.5).
  const isOver = exp !== undefined && !(typeof exp === 'number' && exp > rules.now);
  const isAhead = nbf !== undefined && !(typeof nbf === 'number' && nbf <= rules.now + aheadSecondsMax);
  if (isOver || isAhead)
    return { reason: 'timestamp_outside_window', note: 'the DPoP proof is not valid now by its own words' };
  if (ath !== sha256(Buffer.from(rules.token)).toString('base64url'))
    return wrong('the DPoP proof is for another access token');
  try {
    await compactVerify(proof, EmbeddedJWK, { algorithms: [...ALGORITHMS] });
    if ((await calculateJwkThumbprint(jwk)) !== rules.boundTo) return wrong('the token is bound to another key');
  } catch (error) {
    if (!(error instanceof errors.JOSEError || error instanceof TypeError || error instanceof DOMException))
      throw error;
    return wrong('the signature of the DPoP proof is wrong');
  }
  const id = sha256(Buffer.from(`${rules.boundTo}\n${jti}`)).toString('base64url');
  const isFirst = await rules.once(`dpop:${id}`, iat + ageSecondsMax + 1);
  return isFirst ? null : { reason: 'replayed', note: 'the DPoP proof was used before' };
}

function urlOf({ protocol, authority, target }: AuthRequest): string {
  return `${protocol}://${authority}${target}`;
}

/** RFC 9449 §4.3: without query and fragment, after the normalisation of RFC 3986. Null for what is no URL. */
function plainUrl(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const { origin, pathname } = new URL(text);
  return origin + pathname;
}

function wrong(note: string): ProofFault {
  return { reason: 'invalid_signature', note };
}
