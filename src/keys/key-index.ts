import { lifeFault, type KeyRecord, type Keyring } from '../core/credential.ts';
import type { Principal } from '../core/verdict.ts';
import { sha256Hex } from '../crypto/digest.ts';
import type { Seal } from '../crypto/seal.ts';
import { entriesOf, knownFound, knownRecord, type KeyEntry, type KnownKey } from './known-key.ts';
import { servedKeys } from './served-keys.ts';
import type { FoundKey } from './sources/key-source.ts';

export interface KeyExpiry {
  readonly service: string;
  readonly credentialId: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

/** All keys, ready to judge with. Knows nothing of how it is kept fresh. What is put counts at once. */
export interface KeyIndex extends Keyring {
  /** What is known of one stored key; null forgets it. */
  putRecord(id: string, record: KeyRecord | null): void;
  /** All stored keys, in place of those before, and their revocations. */
  putAll(records: readonly KeyRecord[], revocations: readonly string[]): void;
  /** All that the other sources found, in their order, in place of what they found before. */
  putFound(found: readonly FoundKey[]): void;
  /** A revoked digest beats every source. */
  putRevoked(digest: string): void;
  isLive(credentialId: string, now: number): boolean;
  holds(principal: Principal, now: number): boolean;
  /** When the key behind a principal ends as things stand now; null for never. */
  endOf(principal: Principal): number | null;
  expiries(): KeyExpiry[];
  warnings(): readonly string[];
  readonly size: number;
}

interface StoredKey {
  readonly known: KnownKey;
  /** What the key was made of: while it is the same, so is the principal. */
  readonly text: string;
  /** The same but for its end: that may be moved without ending what the key opened. */
  readonly identity: string;
}

export function keyIndex(seal: Seal): KeyIndex {
  const served = servedKeys();
  const records = new Map<string, StoredKey>();
  const faults = new Map<string, string>();
  let found: readonly KnownKey[] = [];
  let foundIds: ReadonlySet<string> = new Set();
  /** Of those that are no longer served, but may have opened something: the identity of their key. */
  const retired = new WeakMap<Principal, string>();

  function retire(known: KnownKey, identity: string): void {
    for (const { principal } of entriesOf(known.live)) retired.set(principal, identity);
    served.remove(known);
  }

  function isOurs(principal: Principal): boolean {
    const { credentialId } = principal;
    return retired.has(principal) || records.has(credentialId) || foundIds.has(credentialId);
  }

  /** The entry of the very key, whose end may have been moved since; undefined when it is gone. */
  function entryOf(principal: Principal): KeyEntry | undefined {
    const entry = served.byPrincipal(principal);
    const identity = retired.get(principal);
    if (entry || identity === undefined) return entry;
    const { credentialId } = principal;
    const stored = records.get(credentialId);
    const heirs = found.filter((known) => known.credentialId === credentialId && textOfFound(known, null) === identity);
    if (stored?.identity === identity) heirs.unshift(stored.known);
    const theirs = new Set(heirs.flatMap(({ live }) => entriesOf(live).map((one) => one.principal)));
    return served.byCredential(credentialId).find((one) => theirs.has(one.principal));
  }

  function putRecord(id: string, record: KeyRecord | null): void {
    faults.delete(id);
    const before = records.get(id);
    if (record !== null && record.revokedAt !== null) served.revoke(record.digest);
    const text = record && textOfRecord(record);
    // A principal lives as long as its key, so that open streams can be told by it.
    if (before && before.text === text) return;
    if (before) retire(before.known, before.identity);
    records.delete(id);
    if (record === null || text === null) return;
    try {
      const known = knownRecord(record, seal);
      const identity = record.expiresAt === null ? text : textOfRecord({ ...record, expiresAt: null });
      records.set(id, { known, text, identity });
      served.add(known, { found: false, order: -record.createdAt, id });
    } catch (error) {
      // One key that does not open must not take the others with it.
      const words = error instanceof Error ? error.message : String(error);
      faults.set(id, `key ${id} (${record.service}) is not served: ${words}`);
    }
  }

  return {
    apiKey: served.apiKey,
    macKeys: served.macKeys,
    signatureKeys: served.signatureKeys,
    putRecord,
    putAll(all, revocations) {
      const ids = new Set(all.map((record) => record.id));
      for (const id of [...records.keys(), ...faults.keys()]) if (!ids.has(id)) putRecord(id, null);
      for (const digest of revocations) served.revoke(digest);
      for (const record of all) putRecord(record.id, record);
    },
    putFound(next) {
      const byText = new Map<string, KnownKey>();
      const first = (known: KnownKey): KnownKey => {
        const text = textOfFound(known);
        const before = byText.get(text);
        if (!before) byText.set(text, known);
        return before ?? known;
      };
      for (const known of found) first(known);
      const after = next.map((one) => first(knownFound(one)));
      if (after.length === found.length && after.every((known, index) => known === found[index])) return;
      for (const known of found) retire(known, textOfFound(known, null));
      found = after;
      foundIds = new Set(found.map(({ credentialId }) => credentialId));
      for (const [order, known] of found.entries()) served.add(known, { found: true, order, id: '' });
    },
    putRevoked: served.revoke,
    isLive,
    holds(principal, now) {
      // A replaced file keeps its credentialId; only the principal tells the old key from the new one.
      if (!isOurs(principal)) return isLive(principal.credentialId, now);
      const entry = entryOf(principal);
      return entry !== undefined && lifeFault(entry, now) === null;
    },
    endOf: (principal) => (isOurs(principal) ? entryOf(principal) : principal)?.expiresAt ?? null,
    expiries() {
      const ends: KeyExpiry[] = [];
      for (const { known, entries } of served.all()) {
        const { expiresAt, revoked } = entriesOf(entries)[0] ?? { expiresAt: null, revoked: true };
        if (expiresAt !== null && !revoked)
          ends.push({ service: known.service, credentialId: known.credentialId, expiresAt });
      }
      return ends;
    },
    warnings: () => [...faults.values(), ...served.clashes()],
    get size() {
      return served.size;
    },
  };

  function isLive(credentialId: string, now: number): boolean {
    return served.byCredential(credentialId).some((entry) => lifeFault(entry, now) === null);
  }
}

/** All that a principal is made of, shortened, since it is kept for each key; the order of a store's columns must not matter. */
function textOfRecord(record: KeyRecord): string {
  const { service, kind, digest, material, scopes, allowedIps, createdAt, expiresAt } = record;
  return sha256Hex(JSON.stringify([service, kind, digest, material, scopes, allowedIps, createdAt, expiresAt]));
}

function textOfFound(known: KnownKey, expiresAt = entriesOf(known.live)[0]?.expiresAt): string {
  const { proves, credentialId, digest, service, live } = known;
  const { scopes, addresses } = entriesOf(live)[0]?.principal ?? {};
  const accepted = live.apiKey ? live.apiKey.acceptedAt : true;
  return JSON.stringify([proves, credentialId, digest, service, accepted, scopes, expiresAt, addresses?.cidrs]);
}
