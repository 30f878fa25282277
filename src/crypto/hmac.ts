import { hash } from 'node:crypto';

const blockSize = 64;
const digestSize = 32;

/** One HMAC-SHA-256 key, prepared for many messages. Structurally core's MacKey. */
export interface HmacKey {
  hex(message: string): string;
  bytes(message: Uint8Array): Buffer;
}

/**
 * RFC 2104 as two one-shot hashes over precomputed pads: nearly all of createHmac's cost is building the object, so this
 * halves it. The secret itself is not kept. Not re-entrant across threads, which Node does not share objects between.
 */
export function hmacSha256(secret: Uint8Array): HmacKey {
  const block = Buffer.alloc(blockSize);
  block.set(secret.length > blockSize ? hash('sha256', secret, 'buffer') : secret);
  let inner = Buffer.alloc(blockSize + 512);
  const outer = Buffer.alloc(blockSize + digestSize);
  for (let index = 0; index < blockSize; index += 1) {
    inner[index] = (block[index] as number) ^ 0x36;
    outer[index] = (block[index] as number) ^ 0x5c;
  }
  block.fill(0);

  function room(length: number): void {
    if (blockSize + length <= inner.length) return;
    const larger = Buffer.alloc(blockSize + length * 2);
    larger.set(inner.subarray(0, blockSize));
    inner = larger;
  }

  return {
    hex(message) {
      room(message.length);
      inner.write(message, blockSize, "latin1");
      outer.set(hash('sha256', inner.subarray(0, blockSize + message.length), 'buffer'), blockSize);
      return hash('sha256', outer, 'hex');
    },
    bytes(message) {
      room(message.length);
      inner.set(message, blockSize);
      outer.set(hash('sha256', inner.subarray(0, blockSize + message.length), 'buffer'), blockSize);
      return hash('sha256', outer, 'buffer');
    },
  };
}
