import type { CryptoKey, JWSHeaderParameters } from 'jose';

/** An authorization server whose access tokens count. */
export interface TokenIssuer {
  /** Compared with `iss` character by character (RFC 9068 §4). */
  readonly issuer: string;
  /**
   * The public key that a token's header means; null for none. The algorithm is bound to the key: a key of another kind is never
   * found. Rejects when the keys cannot be had.
   */
  key(header: JWSHeaderParameters): Promise<CryptoKey | null>;
  /** Another number whenever a key was added or taken away: what was verified before is verified anew. */
  readonly generation: number;
  /** Whether the issuer took the token back before its end; asked on every request, so it answers from memory. */
  isRevoked(token: IssuedTo): boolean;
}

export interface IssuedTo {
  readonly tokenId: string;
  readonly clientId: string;
  /** Epoch seconds. */
  readonly issuedAt: number;
}
