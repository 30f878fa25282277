import { isDeepStrictEqual } from 'node:util';
import { addressList } from '../../core/address.ts';
import type { ApiKeyEntry, KeyRecord, MacKey, MacKeyEntry, SignatureKeyEntry } from '../../core/credential.ts';
import type { MaybePromise } from '../../core/maybe-promise.ts';
import type { Principal } from '../../core/verdict.ts';
import { canonicalBase64 } from '../../crypto/base64.ts';
import { equalText } from '../../crypto/compare.ts';
import { ed25519PublicKey } from '../../crypto/ed25519.ts';
import { hmacSha256 } from '../../crypto/hmac.ts';
import type { Seal } from '../../crypto/seal.ts';
import type { FoundKey } from '../sources/key-source.ts';

/** What one key can be asked for. An HMAC secret is asked by two schemes, under a principal each. */
export interface KeyEntries {
  readonly apiKey?: ApiKeyEntry;
  readonly mac?: MacKeyEntry;
  readonly signature?: SignatureKeyEntry;
}

export type KeyEntry = ApiKeyEntry | MacKeyEntry | SignatureKeyEntry;

/** As much of a stored key as it is judged by. */
type KeyFacts = Pick<KeyRecord, 'service' | 'kind' | 'digest' | 'material' | 'scopes' | 'allowedIps' | 'expiresAt'>;

interface Origin {
  readonly credentialId: string;
  /** Found outside the store. */
  readonly isFound: boolean;
  /** Whom the key proves: the service itself, or one that holds the key of a called service. */
  readonly proves: 'service' | 'holder';
  /** The only service that accepts it; null for all. */
  readonly acceptedAt: string | null;
  /** What the HMAC is made with, or what opens the sealed secret. */
  readonly secret: MacKey | Seal | null;
  readonly order: number;
}

/**
 * One key of any source. There may be a hundred thousand of them, of which few are used: so each holds little, and what a
 * request is judged by is made when it is first asked for, and once, so that a request allocates nothing.
 */
export class KnownKey {
  readonly credentialId: string;
  readonly isFound: boolean;
  /** Among those of the same kind of source, ascending: of stored keys the newest comes first, of found ones the first found. */
  order: number;
  readonly #facts: KeyFacts;
  readonly #proves: Origin['proves'];
  readonly #acceptedAt: string | null;
  readonly #secret: MacKey | Seal | null;
  #entries: KeyEntries | null = null;
  #revoked = false;

  /** Throws what the seal, an address list or a public key throws; the messages hold no secret. */
  constructor(facts: KeyFacts, { credentialId, isFound, proves, acceptedAt, secret, order }: Origin) {
    this.credentialId = credentialId;
    this.isFound = isFound;
    this.order = order;
    this.#facts = facts;
    this.#proves = proves;
    this.#acceptedAt = acceptedAt;
    this.#secret = secret;
    // What may turn out to be wrong is looked at now. A prepared secret is large, so of a sealed one only whether it opens.
    if (facts.kind === 'hs') this.#openSecret();
    if (facts.kind === 'ed25519' || facts.allowedIps.length > 0) this.#entries = this.#makeEntries();
  }

  get service(): string {
    return this.#facts.service;
  }

  get digest(): string {
    return this.#facts.digest;
  }

  /** Whether the key alone says whose it is. The others are asked for by the name of their service, or by their own. */
  get isApiKey(): boolean {
    return this.#facts.kind === 'sk';
  }

  /** The principal's id: 'service:aidb'. */
  get principalId(): string {
    return `${this.#proves}:${this.service}`;
  }

  /** Epoch seconds; null for never. */
  get expiresAt(): number | null {
    return this.#facts.expiresAt;
  }

  get revoked(): boolean {
    return this.#revoked;
  }

  get entries(): KeyEntries {
    return (this.#entries ??= this.#makeEntries());
  }

  get allEntries(): readonly KeyEntry[] {
    const { apiKey, mac, signature } = this.entries;
    return [apiKey, mac, signature].filter((entry) => entry !== undefined);
  }

  /** Those that may have been handed out: none before they were first asked for. */
  get principals(): readonly Principal[] {
    return this.#entries === null ? [] : this.allEntries.map(({ principal }) => principal);
  }

  /** For good. The principals stay the same, so that what they opened can be told by them. */
  revoke(): void {
    if (this.#revoked) return;
    this.#revoked = true;
    if (this.#entries === null) return;
    const { apiKey, mac, signature } = this.#entries;
    this.#entries = {
      ...(apiKey && { apiKey: Object.freeze({ ...apiKey, revoked: true }) }),
      ...(mac && { mac: Object.freeze({ ...mac, revoked: true }) }),
      ...(signature && { signature: Object.freeze({ ...signature, revoked: true }) }),
    };
  }

  /** Whether the record still says what this stored key was made of. */
  isMadeOf(record: KeyRecord): boolean {
    const { service, kind, digest, material, scopes, allowedIps, expiresAt } = this.#facts;
    return (
      record.digest === digest &&
      record.expiresAt === expiresAt &&
      record.material === material &&
      record.service === service &&
      record.kind === kind &&
      -record.createdAt === this.order &&
      isDeepStrictEqual([record.scopes, record.allowedIps], [scopes, allowedIps])
    );
  }

  /** All that its principals are made of: while that is the same, so are they. With or without its end, which may be moved. */
  identity(end: 'with-end' | 'without-end'): string {
    const { service, kind, digest, material, scopes, allowedIps, expiresAt } = this.#facts;
    // Two stored keys may differ in no more than when they were made.
    const createdAt = this.isFound ? null : this.order;
    const made = [this.credentialId, this.#proves, this.#acceptedAt, service, kind, digest, material, createdAt];
    return JSON.stringify([...made, scopes, allowedIps, end === 'with-end' ? expiresAt : null]);
  }

  #openSecret(): MacKey | string {
    const { material } = this.#facts;
    const secret = this.#secret;
    if (secret !== null && 'hex' in secret) return secret;
    if (secret === null || material === null) throw new TypeError('its source has no secret for it');
    return secret.open(material, { id: this.credentialId, service: this.service, kind: this.#facts.kind });
  }

  #makeEntries(): KeyEntries {
    const { kind, material, scopes, allowedIps, expiresAt } = this.#facts;
    const common: Common = {
      id: this.principalId,
      credentialId: this.credentialId,
      scopes: scopes.length > 0 ? Object.freeze([...scopes]) : none,
      expiresAt,
      addresses: allowedIps.length > 0 ? addressList(allowedIps) : null,
    };
    if (kind === 'sk') return { apiKey: apiKeyEntry(common, this.#acceptedAt, this.#revoked) };
    if (kind === 'ed25519') return { signature: publicKeyEntry(common, material, this.#revoked) };
    const secret = this.#openSecret();
    return macEntries(common, typeof secret === 'string' ? hmacSha256(Buffer.from(secret)) : secret, this.#revoked);
  }
}

const none: readonly string[] = Object.freeze([]);

/** Throws what the seal, an address list or a public key throws; the messages hold no secret. */
export function knownRecord(record: KeyRecord, seal: Seal): KnownKey {
  const { id, createdAt } = record;
  const origin = { credentialId: id, isFound: false, proves: 'service', acceptedAt: null } as const;
  return new KnownKey(record, { ...origin, secret: seal, order: -createdAt });
}

/** `order` is its place among those that were found. */
export function knownFound(found: FoundKey, order: number): KnownKey {
  const { credentialId, service, digest, kind } = found;
  const origin = { credentialId, isFound: true, proves: 'service', acceptedAt: null, secret: null, order } as const;
  if (kind === 'record') return new KnownKey(found.record, { ...origin, secret: found.key });
  const facts = { service, digest, kind, material: null, scopes: none, allowedIps: none, expiresAt: null };
  if (kind === 'hs') return new KnownKey(facts, { ...origin, secret: found.key });
  return new KnownKey(facts, { ...origin, proves: 'holder', acceptedAt: found.acceptedAt });
}

/** Stored keys come before found ones. */
export function byRank(a: KnownKey, b: KnownKey): number {
  const places = Number(a.isFound) - Number(b.isFound) || a.order - b.order;
  // The id decides between equals, so that the order never depends on what was heard of first.
  return places || (a.credentialId < b.credentialId ? -1 : Number(a.credentialId > b.credentialId));
}

type Common = Omit<Principal, 'scheme'>;

function principalOf({ id, credentialId, scopes, expiresAt, addresses = null }: Common, scheme: string): Principal {
  return Object.freeze({ id, scheme, credentialId, scopes, expiresAt, addresses });
}

function apiKeyEntry(common: Common, acceptedAt: string | null, revoked: boolean): ApiKeyEntry {
  return Object.freeze({ principal: principalOf(common, 'api-key'), acceptedAt, expiresAt: common.expiresAt, revoked });
}

function macEntries(common: Common, key: MacKey, revoked: boolean): KeyEntries {
  const verify = (base: string, signature: string): boolean => equalText(key.base64(base), signature);
  const { expiresAt } = common;
  const [principal, signer] = [principalOf(common, 'service-signature'), principalOf(common, 'http-signature')];
  return {
    mac: Object.freeze({ principal, key, expiresAt, revoked }),
    signature: Object.freeze({ principal: signer, algorithm: 'hmac-sha256', verify, expiresAt, revoked }),
  };
}

function publicKeyEntry(common: Common, pem: string | null, revoked: boolean): SignatureKeyEntry {
  if (pem === null) throw new TypeError('its source has no public key for it');
  const key = ed25519PublicKey(pem);
  const verify = (base: string, signature: string): MaybePromise<boolean> => {
    const bytes = canonicalBase64(signature);
    return bytes !== null && key.verify(Buffer.from(base, 'latin1'), bytes);
  };
  const { expiresAt } = common;
  const principal = principalOf(common, 'http-signature');
  return Object.freeze({ principal, algorithm: 'ed25519', verify, expiresAt, revoked });
}
