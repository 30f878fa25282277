import { presented } from '../../core/bearer.ts';
import type { Clock } from '../../core/clock.ts';
import { lifeFault, type TokenEntry, type TokenLookup } from '../../core/credential.ts';
import { isPromise } from '../../core/maybe-promise.ts';
import type { Scheme } from '../../core/scheme.ts';
import { allow, deny, denyPrincipal, type Denied, type Verdict } from '../../core/verdict.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { mintedKind, wellFormed } from '../../crypto/key-format.ts';
import { bearerChallenge } from '../bearer-challenge.ts';

const name = 'session-token';

export interface SessionTokenOptions {
  readonly tokens: TokenLookup;
  readonly clock: Clock;
  /** 'upstream': the Authorization header is the upstream's, so no session token can arrive. 'ours' unless said. */
  readonly authorization?: 'ours' | 'upstream';
}

/**
 * Session tokens, as `Authorization: Bearer <token>`: ours (`cs_st_…`) and any other form already in use, a plain UUID
 * say, found by digest. Asked after api-key, which has taken the foreign Bearers that are keys.
 */
export function sessionToken(options: SessionTokenOptions): Scheme {
  const { tokens, clock, authorization = 'ours' } = options;
  return {
    name,
    authenticate(request) {
      const found = presented(request, authorization);
      if (found.kind === 'malformed') return deny('malformed_credentials', found.note, { scheme: name });
      if (found.kind !== 'bearer') return null;
      const minted = mintedKind(found.value);
      if (minted !== null && minted !== 'st') return null;
      // Shape before look-up: a miss may cost a read from the store, and a typing error is worth none.
      if (minted === 'st' && !wellFormed(found.value))
        return refuse('the session token is mistyped or cut off: its check digits do not fit');
      const pending = tokens.find(sha256Hex(found.value));
      const judged = (entry: TokenEntry | null): Verdict =>
        entry === null ? unknownHere(minted === null) : judge(entry, clock());
      return isPromise(pending) ? pending.then(judged) : judged(pending);
    },
    challenge: bearerChallenge,
  };
}

/** `mayBeKey`: of a form that keys of others have too, which are not looked up in the store. */
function unknownHere(mayBeKey: boolean): Denied {
  return { ...refuse('no such session token is known here'), mayBeNew: mayBeKey };
}

function judge(entry: TokenEntry, now: number): Verdict {
  const fault = lifeFault(entry, now);
  if (fault === null) return allow(entry.principal);
  const note = fault === 'revoked' ? 'the session token was revoked' : 'the session token has expired';
  return denyPrincipal(entry.principal, fault, note, { presentedAs: 'bearer' });
}

function refuse(note: string): Denied {
  return deny('invalid_credentials', note, { presentedAs: 'bearer', scheme: name });
}
