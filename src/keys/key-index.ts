import { lifeFault, type ApiKeyEntry, type KeyRecord, type MacKeyEntry } from '../core/credential.ts';
import type { Principal } from '../core/verdict.ts';
import type { Seal } from '../crypto/seal.ts';
import { keySnapshot } from './key-snapshot.ts';
import { knownFound, knownRecord, type KnownKey } from './known-key.ts';
import type { FoundKey } from './sources/key-source.ts';

export interface KeyExpiry {
  readonly service: string;
  readonly credentialId: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

/** All keys, ready to judge with. Knows nothing of how it is kept fresh. What is put counts from `commit` on. */
export interface KeyIndex {
  apiKey(digest: string): ApiKeyEntry | undefined;
  macKeys(serviceId: string): readonly MacKeyEntry[];
  /** What is known of one stored key; null forgets it. */
  putRecord(id: string, record: KeyRecord | null): void;
  /** All stored keys, in place of those before, and their revocations. */
  putAll(records: readonly KeyRecord[], revocations: readonly string[]): void;
  /** All that the other sources found, in their order, in place of what they found before. */
  putFound(found: readonly FoundKey[]): void;
  /** A revoked digest beats every source. */
  putRevoked(digest: string): void;
  commit(): void;
  isLive(credentialId: string, now: number): boolean;
  holds(principal: Principal, now: number): boolean;
  expiries(): KeyExpiry[];
  warnings(): readonly string[];
  readonly size: number;
}

interface StoredKey {
  readonly known: KnownKey;
  /** What the key was made of: while it is the same, so is the principal. */
  readonly text: string;
  readonly createdAt: number;
}

const noKeys: readonly MacKeyEntry[] = Object.freeze([]);

export function keyIndex(seal: Seal): KeyIndex {
  const records = new Map<string, StoredKey>();
  const faults = new Map<string, string>();
  /** Only ever added to: no revocation is taken back, and one may arrive while an older list of them is on its way. */
  const revoked = new Set<string>();
  const issued = new WeakSet<Principal>();
  let found: readonly KnownKey[] = [];
  let snapshot = keySnapshot([], revoked);

  function putRecord(id: string, record: KeyRecord | null): void {
    faults.delete(id);
    const before = records.get(id);
    if (record !== null && record.revokedAt !== null) revoked.add(record.digest);
    const text = record && textOfRecord(record);
    // A principal lives as long as its key, so that open streams can be told by it.
    if (before && before.text === text) return;
    records.delete(id);
    if (record === null || text === null) return;
    try {
      const known = knownRecord(record, seal);
      if (!known) return;
      records.set(id, { known, text, createdAt: record.createdAt });
      issued.add(known.principal);
    } catch (error) {
      // One key that does not open must not take the others with it.
      const words = error instanceof Error ? error.message : String(error);
      faults.set(id, `key ${id} (${record.service}) is not served: ${words}`);
    }
  }

  function isLive(credentialId: string, now: number): boolean {
    return (snapshot.byCredential.get(credentialId) ?? []).some((entry) => lifeFault(entry, now) === null);
  }

  return {
    apiKey: (digest) => snapshot.apiKeys.get(digest),
    macKeys: (serviceId) => snapshot.macKeys.get(serviceId) ?? noKeys,
    putRecord,
    putAll(all, revocations) {
      const ids = new Set(all.map((record) => record.id));
      for (const id of [...records.keys(), ...faults.keys()]) if (!ids.has(id)) putRecord(id, null);
      for (const record of all) putRecord(record.id, record);
      for (const digest of revocations) revoked.add(digest);
    },
    putFound(next) {
      const before = new Map(found.map((known) => [textOfFound(known), known]));
      found = next.map((one) => {
        const known = knownFound(one);
        return before.get(textOfFound(known)) ?? known;
      });
      for (const { principal } of found) issued.add(principal);
    },
    putRevoked: (digest) => void revoked.add(digest),
    commit() {
      const newestFirst = [...records.values()].sort((a, b) => b.createdAt - a.createdAt).map(({ known }) => known);
      snapshot = keySnapshot([...newestFirst, ...found], revoked);
    },
    isLive,
    holds(principal, now) {
      // A replaced file keeps its credentialId; only the principal tells the old key from the new one.
      if (!issued.has(principal)) return isLive(principal.credentialId, now);
      const served = snapshot.served.get(principal);
      return served !== undefined && lifeFault(served.entry, now) === null;
    },
    expiries: () =>
      [...snapshot.served.values()].flatMap(({ service, entry }) =>
        entry.expiresAt === null || entry.revoked
          ? []
          : [{ service, credentialId: entry.principal.credentialId, expiresAt: entry.expiresAt }],
      ),
    warnings: () => [...faults.values(), ...snapshot.clashes],
    get size() {
      return snapshot.served.size;
    },
  };
}

/** All that a principal is made of; the order of a store's columns must not matter. */
function textOfRecord(record: KeyRecord): string {
  const { service, kind, digest, material, scopes, allowedIps, createdAt, expiresAt } = record;
  return JSON.stringify([service, kind, digest, material, scopes, allowedIps, createdAt, expiresAt]);
}

function textOfFound({ principal, digest, service, live }: KnownKey): string {
  return JSON.stringify([principal.id, principal.credentialId, digest, service, 'key' in live || live.acceptedAt]);
}
