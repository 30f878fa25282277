import { canonicalBase64 } from '../../crypto/base64.ts';
import { sha256, sha512 } from '../../crypto/digest.ts';
import { equalBytes } from '../../crypto/compare.ts';

/** RFC 9530 §2, one digest by one of the two algorithms that still count as strong (§5). */
export interface ContentDigest {
  readonly algorithm: 'sha-256' | 'sha-512';
  readonly bytes: Uint8Array;
}

const shape = /^(sha-256|sha-512)=:([A-Za-z0-9+/]+={0,2}):$/;
const lengths = { 'sha-256': 32, 'sha-512': 64 } as const;

/** Null unless the field is exactly one canonical digest: `md5`, unknown algorithms and lists are not accepted beside it. */
export function parseContentDigest(line: string): ContentDigest | null {
  const match = shape.exec(line);
  if (!match) return null;
  const algorithm = match[1] as ContentDigest['algorithm'];
  const bytes = canonicalBase64(match[2] as string);
  return bytes?.length === lengths[algorithm] ? { algorithm, bytes } : null;
}

export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${sha256(body).toString('base64')}:`;
}

export function digestMatches(digest: ContentDigest, body: Uint8Array): boolean {
  return equalBytes(digest.bytes, digest.algorithm === 'sha-256' ? sha256(body) : sha512(body));
}
