import { base62, toBase62 } from './base62.ts';
import { crc32 } from './crc32.ts';
import { randomBase62, randomSecret } from './random.ts';

/** sk: API key, hs: HMAC secret, st: session token, ad: admin token. */
export type MintedKind = 'sk' | 'hs' | 'st' | 'ad';

const secretLength = 43;
const idLength = 10;
const checkLength = 6;
const length = 'cs_sk_'.length + idLength + 1 + secretLength + checkLength;
const shape = /^cs_(?:sk|hs|st|ad)_[0-9A-Za-z]{10}_[0-9A-Za-z]{49}$/;

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
  return { key: body + checkOf(crc32(body)), id };
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
  if (!text.startsWith('cs_') || text.charCodeAt(5) !== 0x5f) return null;
  const kind = text.slice(3, 5);
  return kind === 'sk' || kind === 'hs' || kind === 'st' || kind === 'ad' ? kind : null;
}

/** True when shape and check are right: a typing error or a cut-off key is refused without a look-up. */
export function wellFormed(text: string): boolean {
  if (text.length !== length || !shape.test(text)) return false;
  return text.endsWith(checkOf(crc32(text, length - checkLength)));
}

/** The public id inside a well-formed key. */
export function idOf(key: string): string {
  return key.slice(6, 6 + idLength);
}

export function lastFour(key: string): string {
  return key.slice(-4);
}

// 62^6 exceeds 2^32, so six characters hold any CRC; plain numbers, since this runs on every request.
function checkOf(crc: number): string {
  let text = '';
  let rest = crc;
  for (let place = 0; place < checkLength; place += 1) {
    text = base62.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
