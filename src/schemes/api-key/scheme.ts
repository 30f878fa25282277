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
      if (found.kind === 'none' || found.kind === 'dpop') return null;
      if (found.kind === 'malformed') return deny('malformed_credentials', found.note, { scheme: name });
      const { kind: presentedAs, value } = found;
      const entry = keyring.apiKey(sha256Hex(value));
      return entry ? judge(entry, request, presentedAs, clock()) : unknown(presentedAs, value);
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

/**
 * Not in the index, which is in memory: only now is it worth asking what the text claims to be. A key that is in the index
 * has right check digits, so they are not computed for it, which is a quarter of the cost.
 */
function unknown(presentedAs: 'bearer' | 'x-api-key', value: string): Denied | null {
  const minted = mintedKind(value);
  if (minted === 'sk') {
    if (!wellFormed(value))
      return deny('invalid_credentials', 'the API key is mistyped or cut off: its check digits do not fit', {
        presentedAs,
        scheme: name,
      });
    return unknownHere(presentedAs, `no key with the id ${idOf(value)} is known here`, idOf(value));
  }
  // A foreign Bearer may be a session token, and other kinds of ours are not API keys; an x-api-key can be nothing else.
  return presentedAs === 'bearer' ? null : unknownHere(presentedAs, 'no such API key is known here');
}

function unknownHere(presentedAs: 'bearer' | 'x-api-key', note: string, credentialId: string | null = null): Denied {
  return deny('invalid_credentials', note, { presentedAs, credentialId, scheme: name, mayBeNew: true });
}
