import type { Clock } from '../core/clock.ts';
import type { LimitStore } from '../core/store.ts';
import { attemptGate, type AttemptGate } from '../policies/attempts.ts';
import type { OverrideOptions } from '../schemes/override/index.ts';
import { equalText } from '../crypto/compare.ts';
import { sha256Hex } from '../crypto/digest.ts';

export interface AdminAccess {
  /** True when an admin token is configured; without one nobody is. */
  readonly configured: boolean;
  /** Compares in constant time. Counting failures is the attempt gate's business. */
  isAdminToken(presented: string): boolean;
  readonly attempts: AttemptGate;
}

interface Counting {
  readonly limits: LimitStore;
  readonly clock: Clock;
}

/** Secrets that a person chose are guarded against guessing: ten wrong ones per address in five minutes. */
const guessing = { limit: 10, windowSeconds: 300 };

/** Only the token's digest is kept. */
export function adminAccess(token: string | null, counting: Counting): AdminAccess {
  const attempts = attemptGate({ ...counting, ...guessing, secret: 'admin' });
  return { configured: token !== null, isAdminToken: secretCheck(token), attempts };
}

/** Guesses at the override token count apart from those at the admin token. */
export function overrideAccess(token: string, counting: Counting): OverrideOptions {
  const gate = attemptGate({ ...counting, ...guessing, secret: 'override' });
  const isRight = secretCheck(token);
  return { attempt: (address, presented) => gate.attempt(address, () => isRight(presented)) };
}

/** Says whether a presented secret is the configured one; null is nobody's secret. */
function secretCheck(secret: string | null): (presented: string) => boolean {
  const digest = secret === null ? null : sha256Hex(secret);
  return (presented) => {
    const shown = sha256Hex(presented);
    return digest !== null && equalText(shown, digest);
  };
}
