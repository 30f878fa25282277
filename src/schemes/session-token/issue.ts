import { sha256Hex } from '../../crypto/digest.ts';
import { mintKey } from '../../crypto/key-format.ts';
import { uuid } from '../../crypto/random.ts';

export interface IssuedToken {
  /** `cs_st_…`, shown once and kept nowhere. */
  readonly token: string;
  /** A UUID, distinct from the id inside the token: it may be listed and logged. */
  readonly tokenId: string;
  /** Lower-case hex SHA-256 of the whole token. */
  readonly tokenHash: string;
}

/** A new session token with 256 random bits. */
export function issueSessionToken(): IssuedToken {
  const { key: token } = mintKey('st');
  return { token, tokenId: uuid(), tokenHash: sha256Hex(token) };
}
