import { lifeFault, type KeyRecord, type Keyring } from '../../core/credential.ts';
import type { Principal } from '../../core/verdict.ts';
import { messageOf } from '../../core/message-of.ts';
import type { Seal } from '../../crypto/seal.ts';
import { knownFound, knownRecord, type KeyEntry, type KnownKey } from './known-key.ts';
import { servedKeys } from './served-keys.ts';
import type { FoundKey } from '../sources/key-source.ts';

export interface KeyExpiry {
  readonly service: string;
  readonly credentialId: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
  /** Whether a living key took its place, so that its end is as it should be. */
  readonly replaced: boolean;
}

/** All keys, ready to judge with. Knows nothing of how it is kept fresh. What is put counts at once. */
export interface KeyIndex extends Keyring {
  /** What is known of one stored key; null forgets it. */
  putRecord(id: string, record: KeyRecord | null): void;
  /** Forgets the stored keys that are not among these, since all were read; returns how many. */
  keepOnly(ids: ReadonlySet<string>): number;
  /** All that the other sources found, in their order, in place of what they found before. */
  putFound(found: readonly FoundKey[]): void;
  /** A revoked digest beats every source. */
  putRevoked(digest: string): void;
  isRevoked(digest: string): boolean;
  isLive(credentialId: string, now: number): boolean;
  holds(principal: Principal, now: number): boolean;
  /** When the key behind a principal ends as things stand now; null for never. */
  endOf(principal: Principal): number | null;
  expiries(now: number): KeyExpiry[];
  warnings(): readonly string[];
  readonly size: number;
}

export function keyIndex(seal: Seal): KeyIndex {
  const served = servedKeys();
  const records = new Map<string, KnownKey>();
  const faults = new Map<string, string>();
  /** Of stored keys that were made to replace another and have reached their caller: that other. */
  const replaces = new Map<string, string>();
  let found: readonly KnownKey[] = [];
  let foundIds: ReadonlySet<string> = new Set();
  /** Of those that are no longer served, but may have opened something: the identity of their key. */
  const retired = new WeakMap<Principal, string>();

  function retire(key: KnownKey): void {
    for (const principal of key.principals) retired.set(principal, key.identity('without-end'));
    served.remove(key);
  }

  function isOurs(principal: Principal): boolean {
    const { credentialId } = principal;
    return retired.has(principal) || records.has(credentialId) || foundIds.has(credentialId);
  }

  /** The entry of the very key, whose end may have been moved since; undefined when it is gone. */
  function entryOf(principal: Principal): KeyEntry | undefined {
    const { credentialId } = principal;
    const entries = entriesBehind(credentialId);
    const entry = entries.find((one) => one.principal === principal);
    const identity = retired.get(principal);
    if (entry || identity === undefined) return entry;
    const candidates = [records.get(credentialId), ...found.filter((key) => key.credentialId === credentialId)];
    const heirs = candidates.filter((key) => key?.identity('without-end') === identity);
    const theirs = new Set(heirs.flatMap((key) => key?.allEntries.map((one) => one.principal)));
    return entries.find((one) => theirs.has(one.principal));
  }

  function entriesBehind(credentialId: string): readonly KeyEntry[] {
    return served.byCredential(credentialId).flatMap((key) => key.allEntries);
  }

  function putRecord(id: string, record: KeyRecord | null): void {
    faults.delete(id);
    const before = records.get(id);
    replaces.delete(id);
    if (record !== null && record.replaces !== null && !record.pending) replaces.set(id, record.replaces);
    if (record !== null && record.revokedAt !== null) served.revoke(record.digest);
    // A principal lives as long as its key, so that open streams can be told by it.
    if (record && before?.isMadeOf(record)) return;
    if (before) retire(before);
    records.delete(id);
    if (record === null) return;
    try {
      const key = knownRecord(record, seal);
      records.set(id, key);
      served.add(key);
    } catch (error) {
      // One key that does not open must not take the others with it.
      const words = messageOf(error);
      faults.set(id, `key ${id} (${record.service}) is not served: ${words}`);
    }
  }

  return {
    apiKey: served.apiKey,
    macKeys: served.macKeys,
    signatureKeys: served.signatureKeys,
    putRecord,
    keepOnly(ids) {
      const gone = [...records.keys(), ...faults.keys()].filter((id) => !ids.has(id));
      for (const id of gone) putRecord(id, null);
      return gone.length;
    },
    putFound(next) {
      const before = new Map(found.map((key) => [key.identity('with-end'), key]));
      const after = new Map<string, KnownKey>();
      for (const [order, one] of next.entries()) {
        const key = knownFound(one, order);
        const identity = key.identity('with-end');
        if (!after.has(identity)) after.set(identity, before.get(identity) ?? key);
      }
      const keys = [...after.values()];
      if (keys.length === found.length && keys.every((key, index) => key === found[index])) return;
      for (const key of found) retire(key);
      found = keys;
      foundIds = new Set(found.map(({ credentialId }) => credentialId));
      for (const [order, key] of found.entries()) {
        key.order = order;
        served.add(key);
      }
    },
    putRevoked: served.revoke,
    isRevoked: served.isRevoked,
    isLive,
    holds(principal, now) {
      // A replaced file keeps its credentialId; only the principal tells the old key from the new one.
      if (!isOurs(principal)) return isLive(principal.credentialId, now);
      const entry = entryOf(principal);
      return entry !== undefined && lifeFault(entry, now) === null;
    },
    endOf: (principal) => (isOurs(principal) ? entryOf(principal) : principal)?.expiresAt ?? null,
    expiries(now) {
      const replaced = replacedBy(now);
      const ends: KeyExpiry[] = [];
      for (const { service, credentialId, expiresAt, revoked } of served.all())
        if (expiresAt !== null && !revoked)
          ends.push({ service, credentialId, expiresAt, replaced: replaced.has(credentialId) });
      return ends;
    },
    warnings: () => [...faults.values(), ...served.clashes()],
    get size() {
      return served.size;
    },
  };

  /** Ids of keys whose place a living key took, directly or not. */
  function replacedBy(now: number): ReadonlySet<string> {
    const replaced = new Set<string>();
    for (const [id, first] of replaces) {
      if (!isLive(id, now)) continue;
      for (let at: string | undefined = first; at !== undefined && !replaced.has(at); at = replaces.get(at))
        replaced.add(at);
    }
    return replaced;
  }

  function isLive(credentialId: string, now: number): boolean {
    return served.byCredential(credentialId).some((key) => lifeFault(key, now) === null);
  }
}
