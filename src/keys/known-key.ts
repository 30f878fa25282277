import { addressList } from '../core/address.ts';
import type { ApiKeyEntry, KeyRecord, MacKeyEntry } from '../core/credential.ts';
import type { Principal } from '../core/verdict.ts';
import { hmacSha256 } from '../crypto/hmac.ts';
import type { Seal } from '../crypto/seal.ts';
import type { FoundKey } from './sources/key-source.ts';

/** One key of any source, with all that a request is judged by made once: a request allocates nothing. */
export interface KnownKey {
  readonly service: string;
  readonly digest: string;
  readonly principal: Principal;
  readonly live: KeyEntry;
  /** The same key when it is revoked. */
  readonly dead: KeyEntry;
}

export type KeyEntry = ApiKeyEntry | MacKeyEntry;

/** Null for kinds that are verified elsewhere. Throws what the seal or an address list throws; the messages hold no secret. */
export function knownRecord(record: KeyRecord, seal: Seal): KnownKey | null {
  if (record.kind === 'ed25519') return null;
  const { id, service, digest, expiresAt } = record;
  const scopes = Object.freeze([...record.scopes]);
  const addresses = record.allowedIps.length > 0 ? addressList(record.allowedIps) : null;
  const rest = { id: `service:${service}`, credentialId: id, scopes, expiresAt, addresses };
  if (record.kind === 'sk') return knownApiKey(service, digest, { scheme: 'api-key', ...rest }, null);
  if (record.material === null) throw new TypeError('it has no sealed secret');
  const secret = Buffer.from(seal.open(record.material, record));
  return knownMacKey(service, digest, { scheme: 'service-signature', ...rest }, hmacSha256(secret));
}

export function knownFound(found: FoundKey): KnownKey {
  const { service, digest, credentialId } = found;
  const rest = { credentialId, scopes: Object.freeze([]), expiresAt: null, addresses: null };
  return found.kind === 'sk'
    ? knownApiKey(service, digest, { id: `holder:${service}`, scheme: 'api-key', ...rest }, found.acceptedAt)
    : knownMacKey(service, digest, { id: `service:${service}`, scheme: 'service-signature', ...rest }, found.key);
}

function knownApiKey(service: string, digest: string, principal: Principal, acceptedAt: string | null): KnownKey {
  Object.freeze(principal);
  const entry = (revoked: boolean): ApiKeyEntry =>
    Object.freeze({ principal, acceptedAt, expiresAt: principal.expiresAt, revoked });
  return { service, digest, principal, live: entry(false), dead: entry(true) };
}

function knownMacKey(service: string, digest: string, principal: Principal, key: MacKeyEntry['key']): KnownKey {
  Object.freeze(principal);
  const entry = (revoked: boolean): MacKeyEntry =>
    Object.freeze({ principal, key, expiresAt: principal.expiresAt, revoked });
  return { service, digest, principal, live: entry(false), dead: entry(true) };
}
