import type { Clock } from '../../core/clock.ts';
import type { LimitStore } from '../../core/store.ts';
import { attemptGate, type AttemptGate } from '../../policies/attempts.ts';
import type { OverrideOptions } from '../../schemes/override/index.ts';
import { equalText } from '../../crypto/compare.ts';
import { sha256Hex } from '../../crypto/digest.ts';

export interface AdminAccess {
  /** True when an admin token is configured; without one nobody is. */
  readonly configured: boolean;
  /** Compares in constant time. Counting failures is the attempt gate's business. */
  isAdminToken(presented: string): boolean;
  /** The same by the SHA-256 of a token, for what was begun with one: whether it is still the token. */
  isAdminDigest(digest: string): boolean;
  readonly attempts: AttemptGate;
}

interface Counting {
  readonly limits: LimitStore;
  readonly clock: Clock;
}

/** Secrets that a person chose are guarded against guessing: ten wrong ones per address in five minutes. */
const guessing = { limit: 10, windowSeconds: 300 };

export interface AdminAccessOptions extends Counting {
  /** Hears of every attempt that was not right. */
  readonly onRefused: (address: string, throttled: boolean) => void;
}

/** Only the token's digest is kept. */
export function adminAccess(token: string | null, { onRefused, ...counting }: AdminAccessOptions): AdminAccess {
  const gate = attemptGate({ ...counting, ...guessing, secret: 'admin' });
  const attempts: AttemptGate = {
    async attempt(address, check) {
      const attempt = await gate.attempt(address, check);
      // Where nobody is the admin, nobody tries to be.
      if (attempt.result !== 'right' && token !== null) onRefused(address, attempt.result === 'limited');
      return attempt;
    },
  };
  const isAdminDigest = digestCheck(token);
  return {
    configured: token !== null,
    isAdminToken: (presented) => isAdminDigest(sha256Hex(presented)),
    isAdminDigest,
    attempts,
  };
}

/** Guesses at the override token count apart from those at the admin token. */
export function overrideAccess(token: string, counting: Counting): OverrideOptions {
  const gate = attemptGate({ ...counting, ...guessing, secret: 'override' });
  const isRight = digestCheck(token);
  return { attempt: (address, presented) => gate.attempt(address, () => isRight(sha256Hex(presented))) };
}

/** Says whether a digest is that of the configured secret; null is nobody's secret. */
function digestCheck(secret: string | null): (digest: string) => boolean {
  const right = secret === null ? null : sha256Hex(secret);
  return (digest) => right !== null && equalText(digest, right);
}
