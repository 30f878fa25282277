import { gcmOpen, gcmSeal } from '../../crypto/aes-gcm.ts';
import { randomSecret } from '../../crypto/random.ts';
import type { LeafType } from './leaf.ts';

export type SealedType = LeafType | 'comment';

/** 'ENC[AES256_GCM,data:…,iv:…,tag:…,type:str]' taken apart. */
export interface SealedValue {
  readonly data: Buffer;
  readonly nonce: Buffer;
  readonly tag: Buffer;
  readonly type: SealedType;
}

const base64 = '[A-Za-z0-9+/]*={0,2}';
const form = new RegExp(
  `^ENC\\[AES256_GCM,data:(${base64}),iv:(${base64}),tag:(${base64}),type:(str|int|float|bool|bytes|time|comment)\\]$`,
);

const nonceLength = 32;

/** Null when the text is no sealed value. */
export function parseSealed(text: string): SealedValue | null {
  const match = form.exec(text);
  if (!match) return null;
  const [, data = '', nonce = '', tag = '', type] = match;
  const bytes = (part: string): Buffer => Buffer.from(part, 'base64');
  return { data: bytes(data), nonce: bytes(nonce), tag: bytes(tag), type: type as SealedType };
}

/** Null when the value does not belong to this key and this place. */
export function openSealed(sealed: SealedValue, key: Uint8Array, associated: string): Buffer | null {
  return gcmOpen(key, sealed, Buffer.from(associated));
}

export function seal(plain: Uint8Array, type: SealedType, key: Uint8Array, associated: string): string {
  const { data, nonce, tag } = gcmSeal(key, randomSecret(nonceLength), plain, Buffer.from(associated));
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  return `ENC[AES256_GCM,data:${text(data)},iv:${text(nonce)},tag:${text(tag)},type:${type}]`;
}

/** What a value is bound to: the keys above it, not the position within a list. */
export function associatedWith(path: readonly string[]): string {
  return `${path.join(':')}:`;
}
