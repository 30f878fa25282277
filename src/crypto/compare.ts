import { timingSafeEqual } from 'node:crypto';
import { sha256 } from './digest.ts';

/** Constant time for values of equal length; a differing length is public (digests and MACs have fixed lengths). */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Compares two ASCII strings of a fixed, public length (hex digests, MACs) in time that does not depend on where they differ.
 * A loop over character codes: the strings are short, and two Buffers would cost more than the comparison.
 */
export function equalText(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index += 1) difference |= a.charCodeAt(index) ^ b.charCodeAt(index);
  return difference === 0;
}

/** The same of a digest or MAC as hash() gives it in Latin-1, and the bytes that it is to be. */
export function equalBinary(text: string, bytes: Uint8Array): boolean {
  if (text.length !== bytes.length) return false;
  let difference = 0;
  for (let index = 0; index < bytes.length; index += 1) difference |= text.charCodeAt(index) ^ (bytes[index] as number);
  return difference === 0;
}

/** Compares secrets of any length without showing the length: both are digested first. */
export function equalSecrets(a: string, b: string): boolean {
  return timingSafeEqual(sha256(Buffer.from(a)), sha256(Buffer.from(b)));
}
