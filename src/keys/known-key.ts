import { addressList } from '../core/address.ts';
import type { ApiKeyEntry, KeyRecord, MacKey, MacKeyEntry, SignatureKeyEntry } from '../core/credential.ts';
import type { Principal } from '../core/verdict.ts';
import { equalText } from '../crypto/compare.ts';
import { ed25519PublicKey } from '../crypto/ed25519.ts';
import { hmacSha256 } from '../crypto/hmac.ts';
import type { Seal } from '../crypto/seal.ts';
import type { FoundKey } from './sources/key-source.ts';

/** One key of any source, with all that a request is judged by made once: a request allocates nothing. */
export interface KnownKey {
  readonly service: string;
  readonly digest: string;
  /** The principal's id: 'service:aidb'. */
  readonly proves: string;
  readonly credentialId: string;
  readonly live: KeyEntries;
  /** The same key when it is revoked: the same principals. */
  readonly dead: KeyEntries;
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

/** Throws what the seal, an address list or a public key throws; the messages hold no secret. */
export function knownRecord(record: KeyRecord, seal: Seal): KnownKey {
  const { kind, material } = record;
  const mac = kind === 'hs' && material !== null ? hmacSha256(Buffer.from(seal.open(material, record))) : null;
  return knownCaller(record, mac);
}

function knownCaller(record: KeyRecord, mac: MacKey | null): KnownKey {
  const { id, service, kind, digest, material, expiresAt } = record;
  const scopes = Object.freeze([...record.scopes]);
  const addresses = record.allowedIps.length > 0 ? addressList(record.allowedIps) : null;
  const common = { id: `service:${service}`, credentialId: id, scopes, expiresAt, addresses };
  if (kind === 'sk') return known(service, digest, common, apiKeyFor(null));
  if (kind === 'hs' && mac !== null) return known(service, digest, common, macFor(mac));
  if (kind === 'hs' || material === null) throw new TypeError('the store has no secret and no public key for it');
  return known(service, digest, common, publicKeyFor(material));
}

export function knownFound(found: FoundKey): KnownKey {
  if (found.kind === 'record') return knownCaller(found.record, found.key);
  const { service, digest, credentialId } = found;
  const common = { credentialId, scopes: Object.freeze([]), expiresAt: null, addresses: null };
  return found.kind === 'sk'
    ? known(service, digest, { id: `holder:${service}`, ...common }, apiKeyFor(found.acceptedAt))
    : known(service, digest, { id: `service:${service}`, ...common }, macFor(found.key));
}

type Common = Omit<Principal, 'scheme'>;
type Life = Pick<KeyEntry, 'expiresAt' | 'revoked'>;
/** Makes a principal per scheme once, and entries with any life from then on. */
type EntriesMaker = (principal: (scheme: string) => Principal) => (life: Life) => KeyEntries;

function known(service: string, digest: string, common: Common, make: EntriesMaker): KnownKey {
  const entries = make((scheme) => Object.freeze({ ...common, scheme }));
  const { id: proves, credentialId, expiresAt } = common;
  const live = entries({ expiresAt, revoked: false });
  return { service, digest, proves, credentialId, live, dead: entries({ expiresAt, revoked: true }) };
}

function apiKeyFor(acceptedAt: string | null): EntriesMaker {
  return (principalOf) => {
    const principal = principalOf('api-key');
    return (life) => ({ apiKey: Object.freeze({ principal, acceptedAt, ...life }) });
  };
}

function macFor(key: MacKey): EntriesMaker {
  // Compared as hex: both sides are short strings by then, and equalText takes its time whatever they hold.
  const verify = (base: string, signature: Uint8Array): boolean =>
    equalText(key.hex(base), Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength).toString('hex'));
  return (principalOf) => {
    const principal = principalOf('service-signature');
    const signer = principalOf('http-signature');
    return (life) => ({
      mac: Object.freeze({ principal, key, ...life }),
      signature: Object.freeze({ principal: signer, algorithm: 'hmac-sha256' as const, verify, ...life }),
    });
  };
}

function publicKeyFor(pem: string): EntriesMaker {
  const key = ed25519PublicKey(pem);
  const verify = (base: string, signature: Uint8Array): Promise<boolean> =>
    key.verify(Buffer.from(base, 'latin1'), signature);
  return (principalOf) => {
    const principal = principalOf('http-signature');
    return (life) => ({ signature: Object.freeze({ principal, algorithm: 'ed25519' as const, verify, ...life }) });
  };
}
