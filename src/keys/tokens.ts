import type { TokenLookup, TokenRecord } from '../core/credential.ts';

export interface MintRequest {
  readonly ttlSeconds: number;
  readonly scopes: readonly string[];
  readonly allowedIps: readonly string[];
  readonly clientId: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The principal id of the minter, for the record. */
  readonly createdBy: string;
}

/** The life of a session token. What was revoked here or by another process is dead in memory at once. */
export interface Tokens extends TokenLookup {
  /** The token itself is in the answer and nowhere else. */
  mint(request: MintRequest): Promise<{ readonly token: string; readonly record: TokenRecord }>;
  listActive(limit: number): Promise<TokenRecord[]>;
  get(tokenId: string): Promise<TokenRecord | null>;
  byToken(token: string): Promise<TokenRecord | null>;
  /** Null when there is no such token. */
  revoke(tokenId: string): Promise<TokenRecord | null>;
  close(): void;
}
