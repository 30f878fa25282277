import { hash } from 'node:crypto';
import { writeLatin1 } from './latin1.ts';

const blockSize = 64;
const digestSize = 32;
/** Longer messages are rare and may cost a new buffer each. */
const preparedLengthMax = 512;

/** One HMAC-SHA-256 key, prepared for many messages. Structurally core's MacKey. */
export interface HmacKey {
  hex(message: string): string;
  hexOf<What>(what: What, length: number, write: (what: What, bytes: Uint8Array, at: number) => void): string;
  base64(message: string): string;
  bytes(message: Uint8Array): Buffer;
}

/**
 * RFC 2104 as two one-shot hashes over precomputed pads: nearly all of createHmac's cost is building the object, so this halves
 * it. The inner digest travels as a Latin-1 string ('binary' to hash()), since asking hash() for a Buffer costs three times the
 * hashing. The secret itself is not kept. Calls are synchronous and threads share no objects, so the scratch buffers are safe.
 */
export function hmacSha256(secret: Uint8Array): HmacKey {
  const block = Buffer.alloc(blockSize);
  block.set(secret.length > blockSize ? hash('sha256', secret, 'buffer') : secret);
  const inner = Buffer.alloc(blockSize + preparedLengthMax);
  const outer = Buffer.alloc(blockSize + digestSize);
  for (let index = 0; index < blockSize; index += 1) {
    inner[index] = (block[index] as number) ^ 0x36;
    outer[index] = (block[index] as number) ^ 0x5c;
  }
  block.fill(0);
  // One view per message length: messages of a service have few lengths, and making a view costs a tenth of the whole.
  const views: Buffer[] = [];

  function room(length: number): Buffer {
    if (length <= preparedLengthMax) return (views[length] ??= inner.subarray(0, blockSize + length));
    const larger = Buffer.alloc(blockSize + length);
    inner.copy(larger, 0, 0, blockSize);
    return larger;
  }

  function finish(padded: Buffer): void {
    writeLatin1(outer, hash('sha256', padded, 'binary'), blockSize, digestSize);
  }

  function prepare(message: string): void {
    const padded = room(message.length);
    writeLatin1(padded, message, blockSize, message.length);
    finish(padded);
  }

  return {
    hexOf(what, length, write) {
      const padded = room(length);
      write(what, padded, blockSize);
      finish(padded);
      return hash('sha256', outer, 'hex');
    },
    hex(message) {
      prepare(message);
      return hash('sha256', outer, 'hex');
    },
    base64(message) {
      prepare(message);
      return hash('sha256', outer, 'base64');
    },
    bytes(message) {
      const padded = room(message.length);
      padded.set(message, blockSize);
      finish(padded);
      return Buffer.from(hash('sha256', outer, 'binary'), 'latin1');
    },
  };
}
