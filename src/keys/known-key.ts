import { addressList } from '../core/address.ts';
import type { ApiKeyEntry, KeyRecord, MacKey, MacKeyEntry, SignatureKeyEntry } from '../core/credential.ts';
import type { Principal } from '../core/verdict.ts';
import { equalText } from '../crypto/compare.ts';
import { ed25519PublicKey } from '../crypto/ed25519.ts';
import { hmacSha256 } from '../crypto/hmac.ts';
import type { Seal } from '../crypto/seal.ts';
import type { FoundKey } from './sources/key-source.ts';

/**
 * One key of any source, with all that a request is judged by made once: a request allocates nothing. There may be a hundred
 * thousand of them, so they hold little, and no closures but those that verify.
 */
export interface KnownKey {
  readonly service: string;
  readonly digest: string;
  /** The principal's id: 'service:aidb'. */
  readonly proves: string;
  readonly credentialId: string;
  readonly live: KeyEntries;
}

/** What one key can be asked for. An HMAC secret is asked by two schemes, under a principal each. */
export interface KeyEntries {
  readonly apiKey?: ApiKeyEntry;
  readonly mac?: MacKeyEntry;
  readonly signature?: SignatureKeyEntry;
}

export type KeyEntry = ApiKeyEntry | MacKeyEntry | SignatureKeyEntry;

export function entriesOf({ apiKey, mac, signature }: KeyEntries): readonly KeyEntry[] {
  return [apiKey, mac, signature].filter((entry) => entry !== undefined);
}

/** The same key when it is revoked: the same principals. */
export function revokedEntries({ live: { apiKey, mac, signature } }: KnownKey): KeyEntries {
  return {
    ...(apiKey && { apiKey: Object.freeze({ ...apiKey, revoked: true }) }),
    ...(mac && { mac: Object.freeze({ ...mac, revoked: true }) }),
    ...(signature && { signature: Object.freeze({ ...signature, revoked: true }) }),
  };
}

/** Throws what the seal, an address list or a public key throws; the messages hold no secret. */
export function knownRecord(record: KeyRecord, seal: Seal): KnownKey {
  const { kind, material } = record;
  return knownCaller(record, kind === 'hs' && material !== null ? new SealedMac(record, material, seal) : null);
}

/**
 * Prepared when it is first used, since of many keys few are, and a prepared one is large. That it opens is seen at once. A class,
 * so that what is kept of each is no more than this.
 */
class SealedMac implements MacKey {
  readonly #context: { readonly id: string; readonly service: string; readonly kind: string };
  readonly #material: string;
  readonly #seal: Seal;
  #key: MacKey | null = null;

  constructor({ id, service, kind }: KeyRecord, material: string, seal: Seal) {
    this.#context = { id, service, kind };
    this.#material = material;
    this.#seal = seal;
    seal.open(material, this.#context);
  }

  hex(message: string): string {
    return this.#prepared().hex(message);
  }

  bytes(message: Uint8Array): Uint8Array {
    return this.#prepared().bytes(message);
  }

  #prepared(): MacKey {
    return (this.#key ??= hmacSha256(Buffer.from(this.#seal.open(this.#material, this.#context))));
  }
}

const none: readonly string[] = Object.freeze([]);

function knownCaller(record: KeyRecord, mac: MacKey | null): KnownKey {
  const { id: credentialId, service, kind, digest, material, expiresAt } = record;
  const scopes = record.scopes.length > 0 ? Object.freeze([...record.scopes]) : none;
  const addresses = record.allowedIps.length > 0 ? addressList(record.allowedIps) : null;
  const common: Common = { id: `service:${service}`, credentialId, scopes, expiresAt, addresses };
  if (kind === 'sk') return known(service, digest, common, { apiKey: apiKeyEntry(common, null) });
  if (kind === 'hs' && mac !== null) return known(service, digest, common, macEntries(common, mac));
  if (kind === 'hs' || material === null) throw new TypeError('the store has no secret and no public key for it');
  return known(service, digest, common, { signature: publicKeyEntry(common, material) });
}

export function knownFound(found: FoundKey): KnownKey {
  if (found.kind === 'record') return knownCaller(found.record, found.key);
  const { service, digest, credentialId } = found;
  const holder = found.kind === 'sk' ? 'holder' : 'service';
  const common = { id: `${holder}:${service}`, credentialId, scopes: none, expiresAt: null, addresses: null };
  const live = found.kind === 'sk' ? { apiKey: apiKeyEntry(common, found.acceptedAt) } : macEntries(common, found.key);
  return known(service, digest, common, live);
}

type Common = Omit<Principal, 'scheme'>;

function known(service: string, digest: string, { id, credentialId }: Common, live: KeyEntries): KnownKey {
  return { service, digest, proves: id, credentialId, live };
}

function principalOf({ id, credentialId, scopes, expiresAt, addresses = null }: Common, scheme: string): Principal {
  return Object.freeze({ id, scheme, credentialId, scopes, expiresAt, addresses });
}

function apiKeyEntry(common: Common, acceptedAt: string | null): ApiKeyEntry {
  const { expiresAt } = common;
  return Object.freeze({ principal: principalOf(common, 'api-key'), acceptedAt, expiresAt, revoked: false });
}

function macEntries(common: Common, key: MacKey): KeyEntries {
  // Compared as hex: both sides are short strings by then, and equalText takes its time whatever they hold.
  const verify = (base: string, signature: Uint8Array): boolean =>
    equalText(key.hex(base), Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength).toString('hex'));
  const { expiresAt } = common;
  const [principal, signer] = [principalOf(common, 'service-signature'), principalOf(common, 'http-signature')];
  return {
    mac: Object.freeze({ principal, key, expiresAt, revoked: false }),
    signature: Object.freeze({ principal: signer, algorithm: 'hmac-sha256', verify, expiresAt, revoked: false }),
  };
}

function publicKeyEntry(common: Common, pem: string): SignatureKeyEntry {
  const key = ed25519PublicKey(pem);
  const verify = (base: string, signature: Uint8Array): Promise<boolean> =>
    key.verify(Buffer.from(base, 'latin1'), signature);
  const { expiresAt } = common;
  const principal = principalOf(common, 'http-signature');
  return Object.freeze({ principal, algorithm: 'ed25519', verify, expiresAt, revoked: false });
}
