import { lifeFault, type ApiKeyEntry, type KeyRecord, type MacKeyEntry } from '../core/credential.ts';
import type { Principal } from '../core/verdict.ts';
import type { Seal } from '../crypto/seal.ts';
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

type Entry = ApiKeyEntry | MacKeyEntry;

interface Snapshot {
  readonly apiKeys: Map<string, ApiKeyEntry>;
  readonly macKeys: Map<string, MacKeyEntry[]>;
  readonly entries: Map<Principal, { readonly service: string; readonly entry: Entry }>;
  readonly byCredential: Map<string, Entry[]>;
  readonly clashes: readonly string[];
}

const noKeys: readonly MacKeyEntry[] = Object.freeze([]);

export function keyIndex(seal: Seal): KeyIndex {
  const records = new Map<string, { readonly known: KnownKey; readonly text: string; readonly createdAt: number }>();
  const faults = new Map<string, string>();
  const revoked = new Set<string>();
  const issued = new WeakSet<Principal>();
  let found: readonly KnownKey[] = [];
  let snapshot = snapshotOf([], revoked);

  function putRecord(id: string, record: KeyRecord | null): void {
    faults.delete(id);
    const before = records.get(id);
    records.delete(id);
    if (!record) return;
    // A principal lives as long as its key, so that open streams can be told by it.
    const text = JSON.stringify({ ...record, revokedAt: null });
    const createdAt = record.createdAt;
    if (before?.text === text) {
      records.set(id, { known: { ...before.known, revoked: record.revokedAt !== null }, text, createdAt });
      return;
    }
    try {
      const known = knownRecord(record, seal);
      if (known) records.set(id, { known, text, createdAt });
    } catch (error) {
      // One key that does not open must not take the others with it.
      faults.set(
        id,
        `key ${id} (${record.service}) is not served: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }

  return {
    apiKey: (digest) => snapshot.apiKeys.get(digest),
    macKeys: (serviceId) => snapshot.macKeys.get(serviceId) ?? noKeys,
    putRecord,
    putAll(all, revocations) {
      const ids = new Set(all.map((record) => record.id));
      for (const id of [...records.keys(), ...faults.keys()]) if (!ids.has(id)) putRecord(id, null);
      for (const record of all) putRecord(record.id, record);
      // Only ever added to: a revocation that arrived during the reading is not in the list, and none is ever taken back.
      for (const digest of revocations) revoked.add(digest);
    },
    putFound(next) {
      const before = new Map(found.map((known) => [textOf(known), known]));
      found = next.map((one) => {
        const known = knownFound(one);
        return before.get(textOf(known)) ?? known;
      });
    },
    putRevoked: (digest) => void revoked.add(digest),
    commit() {
      const stored = [...records.values()].sort((a, b) => b.createdAt - a.createdAt).map(({ known }) => known);
      snapshot = snapshotOf([...stored, ...found], revoked);
      for (const principal of snapshot.entries.keys()) issued.add(principal);
    },
    isLive: (credentialId, now) =>
      (snapshot.byCredential.get(credentialId) ?? []).some((entry) => lifeFault(entry, now) === null),
    holds(principal, now) {
      // A replaced file keeps its credentialId; only the principal tells the old key from the new one.
      if (!issued.has(principal)) return this.isLive(principal.credentialId, now);
      const one = snapshot.entries.get(principal);
      return one !== undefined && lifeFault(one.entry, now) === null;
    },
    expiries: () =>
      [...snapshot.entries.values()].flatMap(({ service, entry }) =>
        entry.expiresAt === null || entry.revoked
          ? []
          : [{ service, credentialId: entry.principal.credentialId, expiresAt: entry.expiresAt }],
      ),
    warnings: () => [...faults.values(), ...snapshot.clashes],
    get size() {
      return snapshot.entries.size;
    },
  };
}

/** The first of two keys with one secret counts: stored ones come first, then the sources in their order. */
function snapshotOf(all: readonly KnownKey[], revoked: ReadonlySet<string>): Snapshot {
  const snapshot = {
    apiKeys: new Map<string, ApiKeyEntry>(),
    macKeys: new Map<string, MacKeyEntry[]>(),
    entries: new Map<Principal, { service: string; entry: Entry }>(),
    byCredential: new Map<string, Entry[]>(),
    clashes: [] as string[],
  };
  const holders = new Map<string, Principal>();
  for (const known of all) {
    const { principal, key, service, digest, acceptedAt } = known;
    // One HMAC secret may serve several services, since the service is named in the request; an API key names itself.
    const place = key ? `${digest} ${service}` : digest;
    const holder = holders.get(place);
    if (holder) {
      const same = holder.credentialId === principal.credentialId && holder.id === principal.id;
      if (!same) snapshot.clashes.push(clash(principal, holder));
      continue;
    }
    holders.set(place, principal);
    const life = { expiresAt: principal.expiresAt, revoked: known.revoked || revoked.has(digest) };
    const entry: Entry = Object.freeze(key ? { principal, key, ...life } : { principal, acceptedAt, ...life });
    if ('key' in entry) append(snapshot.macKeys, service, entry);
    else snapshot.apiKeys.set(digest, entry);
    append(snapshot.byCredential, principal.credentialId, entry);
    snapshot.entries.set(principal, { service, entry });
  }
  return snapshot;
}

function clash(second: Principal, first: Principal): string {
  return `${second.credentialId} (${second.id}) holds the same secret as ${first.credentialId} (${first.id}), which alone counts; give each its own`;
}

function textOf({ principal, digest, service, acceptedAt }: KnownKey): string {
  return JSON.stringify([principal.id, principal.credentialId, digest, service, acceptedAt]);
}

function append<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
