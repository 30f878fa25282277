import { presented } from '../../core/bearer.ts';
import type { Clock } from '../../core/clock.ts';
import { lifeFault, type ApiKeyEntry, type Keyring } from '../../core/credential.ts';
import type { AuthRequest } from '../../core/request.ts';
import type { Scheme } from '../../core/scheme.ts';
import { allow, deny, denyPrincipal, type Denied, type Verdict } from '../../core/verdict.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { idOf, mintedKind, wellFormed } from '../../crypto/key-format.ts';
import { bearerChallenge } from '../bearer-challenge.ts';

const name = 'api-key';

export interface ApiKeyOptions {
  readonly keyring: Keyring;
  readonly clock: Clock;
  /** 'upstream': the Authorization header is the upstream's and is not read; x-api-key still is. 'ours' unless said. */
  readonly authorization?: 'ours' | 'upstream';
}

/**
 * API keys, as `Authorization: Bearer <key>` or `x-api-key: <key>`. Keys are found by digest, so nothing secret is
 * compared: an index over SHA-256 digests of 256-bit values tells an attacker nothing by its timing.
 */
export function apiKey(options: ApiKeyOptions): Scheme {
  const { keyring, clock, authorization = 'ours' } = options;
  return {
    name,
    authenticate(request) {
      const found = presented(request, authorization);
      if (found.kind === 'none') return null;
      if (found.kind === 'malformed') return deny('malformed_credentials', found.note, { scheme: name });
      const { kind: presentedAs, value } = found;
      const minted = mintedKind(value);
      if (minted === 'sk') {
        if (!wellFormed(value))
          return refuse(presentedAs, 'the API key is mistyped or cut off: its check digits do not fit');
      } else if (minted !== null && presentedAs === 'bearer') return null;
      const entry = keyring.apiKey(sha256Hex(value));
      if (entry) return judge(entry, request, presentedAs, clock());
      if (minted === 'sk') return refuse(presentedAs, `no key with the id ${idOf(value)} is known here`, idOf(value));
      // A foreign Bearer may be a session token; an x-api-key can be nothing else than a key.
      return presentedAs === 'bearer' ? null : refuse(presentedAs, 'no such API key is known here');
    },
    challenge: bearerChallenge,
  };
}

function judge(entry: ApiKeyEntry, request: AuthRequest, presentedAs: 'bearer' | 'x-api-key', now: number): Verdict {
  const { principal, acceptedAt } = entry;
  if (acceptedAt !== null && acceptedAt !== request.service) {
    const note = `this is the shared key of ${acceptedAt}; it is accepted there only, not at ${request.service}`;
    return denyPrincipal(principal, 'invalid_credentials', note, { presentedAs });
  }
  const fault = lifeFault(entry, now);
  if (fault === null) return allow(principal);
  const note = fault === 'revoked' ? 'the API key was revoked' : 'the API key has expired: rotate it';
  return denyPrincipal(principal, fault, note, { presentedAs });
}

function refuse(presentedAs: 'bearer' | 'x-api-key', note: string, credentialId: string | null = null): Denied {
  return deny('invalid_credentials', note, { presentedAs, credentialId, scheme: name });
}
