import type { AttemptGate } from '../policies/attempts.ts';
import { equalText } from '../crypto/compare.ts';
import { sha256Hex } from '../crypto/digest.ts';

export interface AdminAccess {
  /** True when an admin token is configured; without one nothing is an admin. */
  readonly configured: boolean;
  /** Compares in constant time. Counting failures is the attempt gate's business. */
  isAdminToken(presented: string): boolean;
  readonly attempts: AttemptGate;
}

/** Only the token's digest is kept. */
export function adminAccess(token: string | null, attempts: AttemptGate): AdminAccess {
  return { configured: token !== null, isAdminToken: secretCheck(token), attempts };
}

/** Says whether a presented secret is the configured one; null is nobody's secret. */
export function secretCheck(secret: string | null): (presented: string) => boolean {
  const digest = secret === null ? null : sha256Hex(secret);
  return (presented) => {
    const shown = sha256Hex(presented);
    return digest !== null && equalText(shown, digest);
  };
}
