import { createHmac } from 'node:crypto';
import { equalText } from './compare.ts';

export const stepSeconds = 30;
const digits = 6;
const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** RFC 6238 with SHA-1, as authenticators have it: the code of one step. The secret is bytes, 20 of them as a rule. */
export function totpCode(secret: Uint8Array, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  // RFC 4226 §5.3, dynamic truncation.
  const offset = (mac.at(-1) ?? 0) & 15;
  const number = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return String(number % 10 ** digits).padStart(digits, '0');
}

/** The step whose code this is, one before and one after now included (RFC 6238 §5.2); null for none. */
export function totpStep(secret: Uint8Array, code: string, now: number): number | null {
  const current = Math.floor(now / stepSeconds);
  let found: number | null = null;
  // All three are looked at, whichever it is.
  for (const step of [current - 1, current, current + 1])
    if (equalText(totpCode(secret, Math.max(0, step)), code)) found = step;
  return found;
}

/** RFC 4648 §6 without padding, as authenticators take it. */
export function toBase32(bytes: Uint8Array): string {
  let text = '';
  let value = 0;
  let bits = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += base32.charAt((value >> bits) & 31);
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? text + base32.charAt((value << (5 - bits)) & 31) : text;
}
