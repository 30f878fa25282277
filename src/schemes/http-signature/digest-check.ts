import type { OnPiece } from '../../core/request.ts';
import { equalBytes } from '../../crypto/compare.ts';
import { streamedDigest, type StreamedDigest } from '../../crypto/digest.ts';
import { digestMatches, type ContentDigest } from './content-digest.ts';

/** Compares a body with its digest. It is hashed as it arrives, so that a large one holds nobody up when it is complete. */
export interface DigestCheck {
  readonly onPiece: OnPiece;
  /** Whether the body is the one of the digest; asked once. */
  matches(body: Uint8Array): boolean;
}

export function digestCheck(digest: ContentDigest): DigestCheck {
  let first: Uint8Array | null = null;
  let hashing: StreamedDigest | null = null;
  let size = 0;
  return {
    onPiece(bytes) {
      size += bytes.length;
      // What comes in one piece is hashed at once for half the price.
      if (first === null) {
        first = bytes;
        return;
      }
      if (hashing === null) {
        hashing = streamedDigest(digest.algorithm === 'sha-256' ? 'sha256' : 'sha512');
        hashing.update(first);
      }
      hashing.update(bytes);
    },
    matches: (body) =>
      hashing !== null && size === body.length ? equalBytes(digest.bytes, hashing.end()) : digestMatches(digest, body),
  };
}
