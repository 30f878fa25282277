import type { ApiKeyEntry, MacKeyEntry, SignatureKeyEntry } from '../core/credential.ts';
import type { Principal } from '../core/verdict.ts';
import { entriesOf, revokedEntries, type KeyEntries, type KeyEntry, type KnownKey } from './known-key.ts';
import { byRank, orderedLists, type Rank } from './ordered-lists.ts';

/** The keys that count, by all that they are looked up by. A change costs what it touches, however many others there are. */
export interface ServedKeys {
  apiKey(digest: string): ApiKeyEntry | undefined;
  macKeys(service: string): readonly MacKeyEntry[];
  signatureKeys(keyid: string): readonly SignatureKeyEntry[];
  byCredential(credentialId: string): readonly KeyEntry[];
  byPrincipal(principal: Principal): KeyEntry | undefined;
  all(): Iterable<ServedKey>;
  readonly size: number;
  /** For the operator: secrets that were found in two places. */
  clashes(): readonly string[];
  add(known: KnownKey, rank: Rank): void;
  remove(known: KnownKey): void;
  /** For good: no revocation is taken back, and one may come before its key is known. */
  revoke(digest: string): void;
}

export interface ServedKey {
  readonly known: KnownKey;
  readonly entries: KeyEntries;
}

interface Ranked {
  readonly known: KnownKey;
  readonly rank: Rank;
}

/** All keys with one secret, and those of them that count. */
interface Group {
  ranked: readonly Ranked[];
  served: readonly (Ranked & ServedKey)[];
}

export function servedKeys(): ServedKeys {
  const groups = new Map<string, Group>();
  const revoked = new Set<string>();
  const apiKeys = new Map<string, ApiKeyEntry>();
  const macKeys = orderedLists<MacKeyEntry>();
  const signatureKeys = orderedLists<SignatureKeyEntry>();
  const byCredential = orderedLists<ServedKey>();
  const clashes = new Map<string, readonly string[]>();
  let size = 0;

  function present(one: Ranked & ServedKey): void {
    const { known, rank, entries } = one;
    const { apiKey, mac, signature } = entries;
    if (apiKey) apiKeys.set(known.digest, apiKey);
    if (mac) macKeys.add(known.service, mac, rank);
    if (signature) for (const keyid of keyidsOf(known)) signatureKeys.add(keyid, signature, rank);
    byCredential.add(known.credentialId, one, rank);
    size += 1;
  }

  function withdraw(one: ServedKey): void {
    const { known, entries } = one;
    const { apiKey, mac, signature } = entries;
    if (apiKey) apiKeys.delete(known.digest);
    if (mac) macKeys.remove(known.service, mac);
    if (signature) for (const keyid of keyidsOf(known)) signatureKeys.remove(keyid, signature);
    byCredential.remove(known.credentialId, one);
    size -= 1;
  }

  /** Everything that one secret decides: who holds it, who comes first, whether it was revoked. */
  function settle(digest: string, ranked: readonly Ranked[]): void {
    const before = groups.get(digest);
    for (const one of before?.served ?? []) withdraw(one);
    clashes.delete(digest);
    if (ranked.length === 0) {
      groups.delete(digest);
      return;
    }
    const { firsts, notes } = firstOfEach(ranked);
    const dead = revoked.has(digest);
    const served = firsts.map((one) => ({ ...one, entries: dead ? revokedEntries(one.known) : one.known.live }));
    for (const one of served) present(one);
    if (notes.length > 0) clashes.set(digest, notes);
    groups.set(digest, { ranked, served });
  }

  const entriesBehind = (credentialId: string): readonly KeyEntry[] =>
    byCredential.get(credentialId).flatMap(({ entries }) => entriesOf(entries));

  const rankedOf = (digest: string): readonly Ranked[] => groups.get(digest)?.ranked ?? [];

  return {
    apiKey: (digest) => apiKeys.get(digest),
    macKeys: (service) => macKeys.get(service),
    signatureKeys: (keyid) => signatureKeys.get(keyid),
    byCredential: entriesBehind,
    byPrincipal: (principal) => entriesBehind(principal.credentialId).find((entry) => entry.principal === principal),
    *all() {
      for (const { served } of groups.values()) yield* served;
    },
    get size() {
      return size;
    },
    clashes: () => [...clashes.values()].flat(),
    add(known, rank) {
      const ranked = [...rankedOf(known.digest), { known, rank }].sort((a, b) => byRank(a.rank, b.rank));
      settle(known.digest, ranked);
    },
    remove(known) {
      const ranked = rankedOf(known.digest).filter((one) => one.known !== known);
      settle(known.digest, ranked);
    },
    revoke(digest) {
      if (revoked.has(digest)) return;
      revoked.add(digest);
      settle(digest, rankedOf(digest));
    },
  };
}

/** By the key's own id, or by the service's name for all its keys; both names once, should they be the same. */
function keyidsOf({ credentialId, service }: KnownKey): ReadonlySet<string> {
  return new Set([credentialId, service]);
}

/**
 * The first of two keys with one secret counts, so that the order of the sources decides and not the time of reading. One
 * HMAC secret may serve several services, since the request names the service; an API key alone names its owner.
 */
function firstOfEach(ranked: readonly Ranked[]): { firsts: readonly Ranked[]; notes: readonly string[] } {
  const holders = new Map<string | null, Ranked>();
  const notes: string[] = [];
  for (const one of ranked) {
    const place = one.known.live.apiKey ? null : one.known.service;
    const holder = holders.get(place);
    if (!holder) holders.set(place, one);
    else if (!sameOwner(holder.known, one.known)) notes.push(clash(one.known, holder.known));
  }
  return { firsts: [...holders.values()], notes };
}

function sameOwner(a: KnownKey, b: KnownKey): boolean {
  return a.credentialId === b.credentialId && a.proves === b.proves;
}

function clash(second: KnownKey, first: KnownKey): string {
  return `${second.credentialId} (${second.proves}) holds the same secret as ${first.credentialId} (${first.proves}), which alone counts; give each its own`;
}
