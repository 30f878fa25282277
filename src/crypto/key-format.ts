import { base62Value, toBase62 } from './base62.ts';
import { crc32, crcEnd, crcStart, crcStep } from './crc32.ts';
import { randomBase62, randomSecret } from './random.ts';

/** sk: API key, hs: HMAC secret, st: session token, ad: admin token. */
export type MintedKind = 'sk' | 'hs' | 'st' | 'ad';

const kinds: readonly MintedKind[] = ['sk', 'hs', 'st', 'ad'];
const secretLength = 43;
const idLength = 10;
const checkLength = 6;
const idStart = 'cs_sk_'.length;
const idEnd = idStart + idLength;
const checkStart = idEnd + 1 + secretLength;
const length = checkStart + checkLength;
const underscore = 0x5f;

export interface Minted {
  /** The whole key as written: cs_<kind>_<id>_<secret><check>. */
  readonly key: string;
  readonly id: string;
}

/** A new key with 256 random bits, shown once. */
export function mintKey(kind: MintedKind): Minted {
  const id = randomBase62(idLength);
  const secret = toBase62(BigInt(`0x${randomSecret(32).toString('hex')}`), secretLength);
  const body = `cs_${kind}_${id}_${secret}`;
  // 62^6 exceeds 2^32, so six characters hold any CRC.
  return { key: body + toBase62(BigInt(crc32(body)), checkLength), id };
}

/** A fresh id for a key that we did not mint. */
export function mintId(): string {
  return randomBase62(idLength);
}

/**
 * The kind that the text claims to be ('cs_sk_…'), or null when it does not look like one of ours at all. A prefix is enough:
 * what follows is judged by whoever the kind belongs to.
 */
export function mintedKind(text: string): MintedKind | null {
  if (text.charCodeAt(5) !== underscore || !text.startsWith('cs_')) return null;
  for (const kind of kinds) if (text.startsWith(kind, 3)) return kind;
  return null;
}

/** True when shape and check are right: a typing error or a cut-off key is refused without a look-up. */
export function wellFormed(text: string): boolean {
  if (text.length !== length || mintedKind(text) === null) return false;
  // One pass for both, in place and without a string made: this runs on every request.
  let state = crcStart;
  for (let index = 0; index < checkStart; index += 1) {
    const code = text.charCodeAt(index);
    if (base62Value(code) === -1 && (code !== underscore || (index >= idStart && index !== idEnd))) return false;
    state = crcStep(state, code);
  }
  let check = 0;
  for (let index = checkStart; index < length; index += 1) {
    const value = base62Value(text.charCodeAt(index));
    if (value === -1) return false;
    check = check * 62 + value;
  }
  return text.charCodeAt(idEnd) === underscore && check === crcEnd(state);
}

/** The public id inside a well-formed key. */
export function idOf(key: string): string {
  return key.slice(idStart, idEnd);
}

export function lastFour(key: string): string {
  return key.slice(-4);
}
