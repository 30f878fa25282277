import { createCipheriv, createDecipheriv } from 'node:crypto';

/** One AES-256-GCM message: what was sealed, its nonce, its tag. */
export interface GcmMessage {
  readonly data: Buffer;
  readonly nonce: Uint8Array;
  readonly tag: Buffer;
}

const tagLength = 16;

/** The key is 32 bytes; the nonce may have any length and is never used twice under one key. */
export function gcmSeal(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, associated: Uint8Array): GcmMessage {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength });
  cipher.setAAD(associated);
  const data = Buffer.concat([cipher.update(plain), cipher.final()]);
  return { data, nonce, tag: cipher.getAuthTag() };
}

/** Null when key, nonce, tag, text and associated data do not belong together. A tag shorter than 16 bytes never does. */
export function gcmOpen(key: Uint8Array, { data, nonce, tag }: GcmMessage, associated: Uint8Array): Buffer | null {
  if (tag.length !== tagLength || nonce.length === 0) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength });
  decipher.setAAD(associated);
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(data), decipher.final()]);
  } catch {
    return null;
  }
}
