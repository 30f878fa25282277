import { timingSafeEqual } from 'node:crypto';
import { sha256 } from './digest.ts';
import { writeLatin1 } from './latin1.ts';

/** Constant time for values of equal length; a differing length is public (digests and MACs have fixed lengths). */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Characters of the longest text that is compared by words: a SHA-256 digest in hex. */
const wordsLengthMax = 64;
/** Room for two of them. */
const pair = Buffer.alloc(2 * wordsLengthMax);
const words = new Uint32Array(pair.buffer, pair.byteOffset, pair.length / 4);

/**
 * Compares two strings of a fixed, public length (hex digests, MACs) in time that does not depend on where they differ.
 * Digests are compared by words in memory kept for it, in less time than by a loop over characters, and a quarter of that of two new
 * Buffers.
 */
export function equalText(a: string, b: string): boolean {
  const { length } = a;
  if (length !== b.length) return false;
  if (length > wordsLengthMax || length % 4 !== 0) return equalCharacters(a, b);
  writeLatin1(pair, a, 0, length);
  writeLatin1(pair, b, wordsLengthMax, length);
  let difference = 0;
  for (let [left, right] = [0, wordsLengthMax / 4]; left < length / 4; left += 1, right += 1)
    difference |= (words[left] as number) ^ (words[right] as number);
  // The words hold the low byte of each character: whoever comes as far as this has all of those right.
  return difference === 0 && a === b;
}

function equalCharacters(a: string, b: string): boolean {
  let difference = 0;
  for (let index = 0; index < a.length; index += 1) difference |= a.charCodeAt(index) ^ b.charCodeAt(index);
  return difference === 0;
}

/** Compares secrets of any length without showing the length: both are digested first. */
export function equalSecrets(a: string, b: string): boolean {
  return timingSafeEqual(sha256(Buffer.from(a)), sha256(Buffer.from(b)));
}
