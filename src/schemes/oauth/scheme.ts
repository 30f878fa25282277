import { presented } from '../../core/bearer.ts';
import type { Clock } from '../../core/clock.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Scheme } from '../../core/scheme.ts';
import { allow, deny, denyPrincipal, type Denied, type PresentedAs, type Verdict } from '../../core/verdict.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { accessTokenOf, isJwtShaped, readAccessToken, type AccessToken } from './access-token.ts';
import { oauthChallenge } from './challenge.ts';
import { proofFault } from './dpop.ts';
import type { TokenIssuer } from './issuer.ts';

const name = 'oauth';

export interface OauthOptions {
  /** Identifier of the service (RFC 8707): tokens for anybody else are refused. */
  readonly resource: string;
  readonly metadataUrl: string;
  /** What a client is told to ask for first; none: whatever it wants. */
  readonly scopes: readonly string[];
  /** The trusted issuer of this name; null for none. */
  readonly issuer: (iss: string) => TokenIssuer | null;
  readonly clock: Clock;
  readonly once: (key: string, expiresAt: number) => Promise<boolean>;
  /** True: a token that is not bound to a key is refused. */
  readonly dpopRequired: boolean;
}

/** Verified tokens that are remembered: verifying costs a hundred times what looking up does. */
const rememberedMax = 4096;

/** Access tokens of OAuth 2 (RFC 9068, RFC 6750), bound to a key where they say so (RFC 9449). */
export function oauth(options: OauthOptions): Scheme {
  const { clock, dpopRequired, issuer } = options;
  const audiences = audiencesOf(options.resource);
  const remembered = new Map<string, AccessToken>();

  async function judge(request: AuthRequest, token: string, presentedAs: 'bearer' | 'dpop'): Promise<Verdict> {
    const known = await verified(token);
    if ('reason' in known) return refuse(known.note, presentedAs, known.reason, known.claimed);
    const { principal, boundTo } = known;
    // Asked anew on every request: what is remembered may have come to its end.
    if (known.expiresAt <= clock())
      return denyPrincipal(principal, 'expired', 'the access token has expired', { presentedAs });
    if (known.issuer.isRevoked(known))
      return denyPrincipal(principal, 'revoked', 'the access token was revoked', { presentedAs });
    if (boundTo === null)
      return dpopRequired || presentedAs === 'dpop'
        ? refuse('the token is bound to no key', 'dpop', 'invalid_credentials', principal.id)
        : allow(principal);
    // RFC 9449 §7.2: without its proof a bound token would be worth as much to a thief.
    if (presentedAs === 'bearer')
      return refuse(
        'the token is bound to a key, and comes without its proof',
        'dpop',
        'invalid_credentials',
        principal.id,
      );
    const fault = await proofFault(request, { token, boundTo, now: clock(), once: options.once });
    return fault === null ? allow(principal) : refuse(fault.note, 'dpop', fault.reason, principal.id);
  }

  async function verified(token: string): ReturnType<typeof readAccessToken> {
    const digest = sha256Hex(token);
    const found = remembered.get(digest);
    // A configuration may have put another in its place, which counts from the beginning.
    if (found && issuer(found.issuer.issuer) === found.issuer && found.issuer.generation === found.generation)
      return found;
    const read = await readAccessToken(token, { audiences, issuer, now: clock() });
    if ('reason' in read) return read;
    const [oldest] = remembered.keys();
    if (remembered.size >= rememberedMax && oldest !== undefined) remembered.delete(oldest);
    remembered.set(digest, read);
    return read;
  }

  return {
    name,
    authenticate(request) {
      // RFC 6750 §2.3 and MCP: a token in a URL stands in logs, histories and Referer headers. It is never taken, and never passed on.
      if (hasTokenInQuery(request.target))
        return deny('malformed_credentials', 'there is an access_token in the query', { scheme: name });
      const found = presented(request, 'ours');
      if (found.kind === 'dpop')
        return isJwtShaped(found.value)
          ? judge(request, found.value, 'dpop')
          : refuse('the DPoP token is no JWT', 'dpop', 'invalid_credentials');
      if (found.kind !== 'bearer' || !isJwtShaped(found.value)) return null;
      return judge(request, found.value, 'bearer');
    },
    stillProves(principal) {
      const token = accessTokenOf(principal);
      if (token === null || issuer(token.issuer.issuer) !== token.issuer) return false;
      const isForUs = token.audiences.some((audience) => typeof audience === 'string' && audiences.includes(audience));
      return isForUs && !(dpopRequired && token.boundTo === null);
    },
    challenge: (denied) =>
      oauthChallenge(
        dpopRequired && denied.presentedAs === null ? { ...denied, presentedAs: 'dpop' } : denied,
        options,
      ),
    // No cookie is asked for here, so a page of any origin may read why it was refused; without this it could not log in.
    refusalHeaders: () => ({
      'access-control-allow-origin': '*',
      'access-control-expose-headers': 'WWW-Authenticate',
    }),
  };
}

function refuse(
  note: string,
  presentedAs: PresentedAs,
  reason: Denied['reason'],
  claimed: string | null = null,
): Denied {
  const caller = claimed === null ? null : { id: claimed, proven: false };
  return deny(reason, note, { presentedAs, scheme: name, caller });
}

/** Only the root's slash makes no difference: clients disagree on whether an origin ends in one. */
function audiencesOf(resource: string): string[] {
  const { origin, pathname, search } = new URL(resource);
  return pathname === '/' && search === '' ? [origin, `${origin}/`] : [resource];
}

/** By its decoded name: any letter of it may be written encoded. */
function hasTokenInQuery(target: string): boolean {
  const mark = target.indexOf('?');
  return mark !== -1 && new URLSearchParams(target.slice(mark + 1)).has('access_token');
}
