import type { ApiKeyEntry, MacKeyEntry, SignatureKeyEntry } from '../../core/credential.ts';
import { byRank, type KnownKey } from './known-key.ts';
import { keysByName } from './keys-by-name.ts';

/** The keys that count, by all that they are looked up by. A change costs what it touches, however many others there are. */
export interface ServedKeys {
  apiKey(digest: string): ApiKeyEntry | undefined;
  macKeys(service: string): readonly MacKeyEntry[];
  signatureKeys(keyid: string): readonly SignatureKeyEntry[];
  byCredential(credentialId: string): readonly KnownKey[];
  all(): Iterable<KnownKey>;
  readonly size: number;
  /** For the operator: secrets that were found in two places. */
  clashes(): readonly string[];
  add(key: KnownKey): void;
  remove(key: KnownKey): void;
  /** For good: no revocation is taken back, and one may come before its key is known. */
  revoke(digest: string): void;
  isRevoked(digest: string): boolean;
}

/** All keys with one secret. */
interface Group {
  /** By rank. */
  readonly keys: readonly KnownKey[];
  /** Those of them that count. */
  readonly served: readonly KnownKey[];
}

export function servedKeys(): ServedKeys {
  /** Nearly every secret is one key's: then the key alone, since there may be a hundred thousand. */
  const groups = new Map<string, KnownKey | Group>();
  /**
   * API keys that were asked for since they last changed: few of many are, and in a map of their own they lie close together,
   * so that the others cost them nothing.
   */
  const asked = new Map<string, ApiKeyEntry>();
  const revoked = new Set<string>();
  const byService = keysByName();
  const byCredential = keysByName();
  const clashes = new Map<string, readonly string[]>();
  let size = 0;

  function present(key: KnownKey): void {
    if (!key.isApiKey) byService.add(key.service, key);
    byCredential.add(key.credentialId, key);
    size += 1;
  }

  function withdraw(key: KnownKey): void {
    if (!key.isApiKey) byService.remove(key.service, key);
    byCredential.remove(key.credentialId, key);
    size -= 1;
  }

  function groupOf(digest: string): Group {
    const there = groups.get(digest);
    if (!there) return nobody;
    return 'served' in there ? there : { keys: [there], served: [there] };
  }

  /** Everything that one secret decides: who holds it, who comes first, whether it was revoked. */
  function settle(digest: string, keys: readonly KnownKey[]): void {
    for (const key of groupOf(digest).served) withdraw(key);
    asked.delete(digest);
    clashes.delete(digest);
    const [only] = keys;
    if (only === undefined) {
      groups.delete(digest);
      return;
    }
    const { firsts, notes } = firstOfEach(keys);
    if (revoked.has(digest)) for (const key of keys) key.revoke();
    for (const key of firsts) present(key);
    if (notes.length > 0) clashes.set(digest, notes);
    groups.set(digest, keys.length === 1 ? only : { keys, served: firsts });
  }

  return {
    apiKey(digest) {
      const before = asked.get(digest);
      if (before) return before;
      const entry = groupOf(digest).served.find((key) => key.isApiKey)?.entries.apiKey;
      if (entry) asked.set(digest, entry);
      return entry;
    },
    macKeys: (service) => byService.get(service).macs,
    signatureKeys(keyid) {
      // By the key's own id, or by the service's name for all its keys.
      const [ofService, own] = [byService.get(keyid), byCredential.get(keyid)];
      if (own.signatures.length === 0) return ofService.signatures;
      if (ofService.signatures.length === 0) return own.signatures;
      const both = [...new Set([...ofService.keys, ...own.keys])].sort(byRank);
      return both.flatMap((key) => key.entries.signature ?? []);
    },
    byCredential: (credentialId) => byCredential.get(credentialId).keys,
    *all() {
      for (const there of groups.values())
        if ('served' in there) yield* there.served;
        else yield there;
    },
    get size() {
      return size;
    },
    clashes: () => [...clashes.values()].flat(),
    isRevoked: (digest) => revoked.has(digest),
    add(key) {
      settle(key.digest, [...groupOf(key.digest).keys, key].sort(byRank));
    },
    remove(key) {
      const keys = groupOf(key.digest).keys.filter((one) => one !== key);
      settle(key.digest, keys);
    },
    revoke(digest) {
      if (revoked.has(digest)) return;
      revoked.add(digest);
      settle(digest, groupOf(digest).keys);
    },
  };
}

const nobody: Group = { keys: [], served: [] };

/**
 * The first of two keys with one secret counts, so that the order of the sources decides and not the time of reading. One
 * HMAC secret may serve several services, since the request names the service; an API key alone names its owner.
 */
function firstOfEach(keys: readonly KnownKey[]): { firsts: readonly KnownKey[]; notes: readonly string[] } {
  if (keys.length === 1) return { firsts: keys, notes: [] };
  const holders = new Map<string | null, KnownKey>();
  const notes: string[] = [];
  for (const key of keys) {
    const place = key.isApiKey ? null : key.service;
    const holder = holders.get(place);
    if (!holder) holders.set(place, key);
    else if (!isDelivered(holder, key)) notes.push(clash(key, holder));
  }
  return { firsts: [...holders.values()], notes };
}

/** A caller's key lies in the store, and where it was brought to for its caller or for other verifiers. */
function isDelivered(stored: KnownKey, { isFound, principalId, credentialId }: KnownKey): boolean {
  if (stored.principalId !== principalId) return false;
  return stored.credentialId === credentialId || (isFound && !stored.isFound);
}

function clash(second: KnownKey, first: KnownKey): string {
  return `${second.credentialId} (${second.principalId}) holds the same secret as ${first.credentialId} (${first.principalId}), which alone counts; give each its own`;
}
