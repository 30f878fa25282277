import type { ApiKeyEntry, MacKeyEntry } from '../core/credential.ts';
import type { Principal } from '../core/verdict.ts';
import type { KeyEntry, KnownKey } from './known-key.ts';

/** The keys of one moment, by all that they are looked up by. Made anew on a change, never changed: keys are few. */
export interface KeySnapshot {
  /** By lower-case hex SHA-256 of the key. */
  readonly apiKeys: ReadonlyMap<string, ApiKeyEntry>;
  /** By service id, in the order given. */
  readonly macKeys: ReadonlyMap<string, readonly MacKeyEntry[]>;
  readonly byCredential: ReadonlyMap<string, readonly KeyEntry[]>;
  readonly served: ReadonlyMap<Principal, { readonly service: string; readonly entry: KeyEntry }>;
  /** For the operator: secrets that were found in two places. */
  readonly clashes: readonly string[];
}

/** The first of two keys with one secret counts, so that the order of the sources decides and not the time of reading. */
export function keySnapshot(all: readonly KnownKey[], revoked: ReadonlySet<string>): KeySnapshot {
  const apiKeys = new Map<string, ApiKeyEntry>();
  const macKeys = new Map<string, MacKeyEntry[]>();
  const byCredential = new Map<string, KeyEntry[]>();
  const served = new Map<Principal, { service: string; entry: KeyEntry }>();
  const clashes: string[] = [];
  const holders = new Map<string, Principal>();
  for (const known of all) {
    const { principal, service, digest } = known;
    const entry = revoked.has(digest) ? known.dead : known.live;
    // One HMAC secret may serve several services, since the request names the service; an API key alone names its owner.
    const place = 'key' in entry ? `${digest} ${service}` : digest;
    const holder = holders.get(place);
    if (holder) {
      if (holder.credentialId !== principal.credentialId || holder.id !== principal.id)
        clashes.push(clash(principal, holder));
      continue;
    }
    holders.set(place, principal);
    if ('key' in entry) append(macKeys, service, entry);
    else apiKeys.set(digest, entry);
    append(byCredential, principal.credentialId, entry);
    served.set(principal, { service, entry });
  }
  return { apiKeys, macKeys, byCredential, served, clashes };
}

function clash(second: Principal, first: Principal): string {
  return `${second.credentialId} (${second.id}) holds the same secret as ${first.credentialId} (${first.id}), which alone counts; give each its own`;
}

function append<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
