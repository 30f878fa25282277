import { mintKey, type Minted } from '../../crypto/key-format.ts';

/** A new HMAC secret, `cs_hs_…`. The whole key as written is the HMAC key. */
export function issueHmacSecret(): Minted {
  return mintKey('hs');
}
