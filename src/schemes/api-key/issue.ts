import { mintKey, type Minted } from '../../crypto/key-format.ts';

/** A new API key, `cs_sk_…` with 256 random bits. Only its digest is stored. */
export function issueApiKey(): Minted {
  return mintKey('sk');
}
