import type { Denied, Principal } from './verdict.ts';

/** sk: API key of a caller. hs: HMAC secret of a caller. ed25519: public half of a caller's key pair. */
export type KeyKind = 'sk' | 'hs' | 'ed25519';

/** A stored key. API keys are kept as a digest only; HMAC secrets are sealed, since verifying needs them in the clear. */
export interface KeyRecord {
  /** 10 base62 characters, public and stable. */
  readonly id: string;
  /** The service that this key proves. */
  readonly service: string;
  readonly kind: KeyKind;
  /** Lower-case hex SHA-256 of the whole key as written. */
  readonly digest: string;
  /** Sealed secret for hs (see crypto/seal.ts), public key for ed25519, null for sk. */
  readonly material: string | null;
  readonly lastFour: string;
  readonly imported: boolean;
  readonly scopes: readonly string[];
  /** CIDR notation; empty for anywhere. */
  readonly allowedIps: readonly string[];
  /** Epoch seconds. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  /** The id of the key whose place this one takes; null for a first key. */
  readonly replaces: string | null;
  /** It counts already, but it is not known yet that its caller has it: a rotation that is under way. */
  readonly pending: boolean;
}

/** As much of a key that has an end as is told of it, wherever it lies. */
export interface KeyEnd extends Pick<KeyRecord, 'id' | 'service' | 'kind'> {
  /** Epoch seconds. */
  readonly expiresAt: number;
}

/** Whether this is the id of a key that lies in Redis as service:key:<id>. */
export function isInRedis(credentialId: string): boolean {
  return credentialId.startsWith('redis:');
}

/** What gives the caller of this key another one, in the place where it lies. By its id: the caller may have several. */
export function rotateCommand({ id, service }: Pick<KeyRecord, 'id' | 'service'>): string {
  return `countersign keys rotate ${isInRedis(id) ? `${service} --to redis` : id}`;
}

/** How one credential was used by one caller from one address. */
export interface KeyUse {
  readonly credentialId: string;
  /** The proven principal: 'service:aidb'. */
  readonly caller: string;
  readonly clientAddress: string;
  /** Epoch seconds. */
  readonly firstUsed: number;
  readonly lastUsed: number;
  readonly count: number;
}

/** A stored session token. */
export interface TokenRecord {
  /** UUID, distinct from the id inside the token. */
  readonly tokenId: string;
  /** Lower-case hex SHA-256 of the whole token. */
  readonly tokenHash: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
  readonly scopes: readonly string[];
  readonly allowedIps: readonly string[];
  readonly clientId: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The principal that minted it. */
  readonly createdBy: string;
}

/** An API key held in memory, ready to judge with. */
export interface ApiKeyEntry {
  readonly principal: Principal;
  /** The only service that accepts it, for a called service's shared key; null for any. */
  readonly acceptedAt: string | null;
  /** Epoch seconds. */
  readonly expiresAt: number | null;
  readonly revoked: boolean;
}

/** Verifies HMAC-SHA-256 without showing the secret. */
export interface MacKey {
  /** Lower-case hex of the MAC over the message's Latin-1 bytes. */
  hex(message: string): string;
  /** The same over `length` bytes that `write` puts into `bytes` from `at` on, all of them: no string is made of the message. */
  hexOf<What>(what: What, length: number, write: (what: What, bytes: Uint8Array, at: number) => void): string;
  /** The same in base64 (RFC 4648 §4). */
  base64(message: string): string;
  /** The MAC over these bytes, 32 bytes. */
  bytes(message: Uint8Array): Uint8Array;
}

/** A service's HMAC secret held in memory. */
export interface MacKeyEntry {
  readonly principal: Principal;
  readonly key: MacKey;
  readonly expiresAt: number | null;
  readonly revoked: boolean;
}

/** A key that verifies HTTP signatures, held in memory. The algorithm belongs to the key (RFC 9421 §3.2). */
export interface SignatureKeyEntry {
  readonly principal: Principal;
  readonly algorithm: 'hmac-sha256' | 'ed25519';
  /**
   * Over the base's bytes; a promise where verifying leaves the main thread. The signature is in base64 (RFC 4648 §4); false
   * for one that is not canonical.
   */
  verify(base: string, signature: string): boolean | Promise<boolean>;
  readonly expiresAt: number | null;
  readonly revoked: boolean;
}

/**
 * The keys of every source, in memory and kept fresh. All look-ups are by index and synchronous.
 * Throws with code 'keys_unavailable' where a source cannot be trusted any more (a store away for too long).
 */
export interface Keyring {
  /** By lower-case hex SHA-256 of the presented key. Entries that were revoked or have expired are found too. */
  apiKey(digest: string): ApiKeyEntry | undefined;
  /** All HMAC secrets of one service, newest first: during rotation there are two. */
  macKeys(serviceId: string): readonly MacKeyEntry[];
  /** All keys that an HTTP signature's keyid can mean: a key's id, or a service's name for all its keys, newest first. */
  signatureKeys(keyid: string): readonly SignatureKeyEntry[];
}

/** Looks up a session token by digest: from memory when it was seen before, else from the store. */
export interface TokenLookup {
  find(tokenHash: string): TokenEntry | null | Promise<TokenEntry | null>;
}

export interface TokenEntry {
  readonly principal: Principal;
  readonly expiresAt: number;
  readonly revoked: boolean;
}

/** What a failed look-up of life means: expired and revoked are known callers that are no longer authenticated. */
export type LifeFault = Extract<Denied['reason'], 'expired' | 'revoked'>;

/**
 * Judges the life of any entry; revocation is said before expiry, since it was an act. An end that another program wrote and that is no
 * number has come.
 */
export function lifeFault(entry: { expiresAt: number | null; revoked: boolean }, now: number): LifeFault | null {
  if (entry.revoked) return 'revoked';
  return entry.expiresAt === null || entry.expiresAt > now ? null : 'expired';
}
