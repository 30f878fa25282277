import { addressList } from '../core/address.ts';
import type { KeyRecord, MacKey } from '../core/credential.ts';
import type { Principal } from '../core/verdict.ts';
import { hmacSha256 } from '../crypto/hmac.ts';
import type { Seal } from '../crypto/seal.ts';
import type { FoundKey } from './sources/key-source.ts';

/** One key of any source, with its principal made once: a request allocates nothing. */
export interface KnownKey {
  readonly service: string;
  readonly digest: string;
  /** By the record itself; a revoked digest is the index's business. */
  readonly revoked: boolean;
  readonly principal: Principal;
  /** Null for an API key. */
  readonly key: MacKey | null;
  readonly acceptedAt: string | null;
}

/** Null for kinds that are verified elsewhere. Throws what the seal or an address list throws; the messages hold no secret. */
export function knownRecord(record: KeyRecord, seal: Seal): KnownKey | null {
  if (record.kind === 'ed25519') return null;
  const key = record.kind === 'hs' ? openedKey(record, seal) : null;
  const principal = principalOf(`service:${record.service}`, key, record.id, {
    scopes: Object.freeze([...record.scopes]),
    expiresAt: record.expiresAt,
    addresses: record.allowedIps.length > 0 ? addressList(record.allowedIps) : null,
  });
  const { service, digest } = record;
  return { service, digest, revoked: record.revokedAt !== null, principal, key, acceptedAt: null };
}

export function knownFound(found: FoundKey): KnownKey {
  const { service, digest, credentialId } = found;
  const key = found.kind === 'hs' ? found.key : null;
  const id = found.kind === 'hs' ? `service:${service}` : `holder:${service}`;
  const principal = principalOf(id, key, credentialId, { scopes: Object.freeze([]), expiresAt: null, addresses: null });
  return { service, digest, revoked: false, principal, key, acceptedAt: found.kind === 'sk' ? found.acceptedAt : null };
}

function openedKey(record: KeyRecord, seal: Seal): MacKey {
  if (record.material === null) throw new TypeError(`the key ${record.id} (${record.service}) has no sealed secret`);
  return hmacSha256(Buffer.from(seal.open(record.material, record)));
}

function principalOf(
  id: string,
  key: MacKey | null,
  credentialId: string,
  rest: Pick<Principal, 'scopes' | 'expiresAt' | 'addresses'>,
): Principal {
  return Object.freeze({ id, scheme: key ? 'service-signature' : 'api-key', credentialId, ...rest });
}
