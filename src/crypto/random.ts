import { randomBytes, randomUUID } from 'node:crypto';
import { base62 } from './base62.ts';

export function randomSecret(bytes: number): Buffer {
  return randomBytes(bytes);
}

export function uuid(): string {
  return randomUUID();
}

/** Uniform over 62^length: bytes that would favour the first characters are thrown away. */
export function randomBase62(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length * 2)) {
      if (byte < 248 && text.length < length) text += base62.charAt(byte % 62);
    }
  }
  return text;
}
