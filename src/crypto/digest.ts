import { createHash, hash } from 'node:crypto';

/** Lower-case hex SHA-256 of the text's UTF-8 bytes. One-shot: half the cost of a hash object. */
export function sha256Hex(text: string): string {
  return hash('sha256', text, 'hex');
}

/** The same in base64url. */
export function sha256Base64(text: string): string {
  return hash('sha256', text, 'base64url');
}

/** The same as 32 characters, each a byte (Latin-1). */
export function sha256Binary(text: string): string {
  return hash('sha256', text, 'binary');
}

export function sha256(bytes: Uint8Array): Buffer {
  // By way of a string: asking hash() for a Buffer costs twice as much.
  return Buffer.from(hash('sha256', bytes, 'binary'), 'latin1');
}

/** The first eight characters of a secret's digest: tells two secrets apart in a log without showing either. */
export function fingerprint(secret: string): string {
  return sha256Hex(secret).slice(0, 8);
}

export function sha512(bytes: Uint8Array): Buffer {
  return hash('sha512', bytes, 'buffer');
}

/** A digest of bytes that come piece by piece. */
export interface StreamedDigest {
  update(bytes: Uint8Array): void;
  /** Of all of them; once. */
  end(): Buffer;
}

export function streamedDigest(algorithm: 'sha256' | 'sha512'): StreamedDigest {
  const hashing = createHash(algorithm);
  return { update: (bytes) => void hashing.update(bytes), end: () => hashing.digest() };
}
