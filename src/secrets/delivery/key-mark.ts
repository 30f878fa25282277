import { sha256Hex } from '../../crypto/digest.ts';
import { idOf, wellFormed } from '../../crypto/key-format.ts';
import { SecretsError } from '../secrets-error.ts';

const bitsMin = 128;

/**
 * A text that changes with the key, for files that many may read: the public id of keys of ours, the start of the digest of
 * others. Throws where somebody could find the key by trying guesses against that digest.
 */
export function keyMark(service: string, key: string): string {
  if (wellFormed(key)) return idOf(key);
  const bitsMax = key.length * Math.log2(new Set(key).size);
  if (bitsMax < bitsMin)
    throw new SecretsError(
      'invalid_secret',
      `the key of ${service} can be guessed, so not even its digest is to stand in a file; replace it: countersign keys create ${service} --kind hs`,
    );
  return sha256Hex(key).slice(0, 16);
}
