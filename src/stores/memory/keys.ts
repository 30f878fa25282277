import type { KeyRecord } from '../../core/credential.ts';
import { StoreError, type KeyStore } from '../../core/store.ts';
import { oldestFirst } from '../oldest-first.ts';
import type { Memory } from './memory.ts';

const pageSize = 1000;

export function memoryKeys({ step, tell }: Memory): KeyStore {
  const byId = new Map<string, KeyRecord>();
  const idByDigest = new Map<string, string>();
  const revoked = new Map<string, number>();

  function bury(digest: string, at: number): void {
    if (revoked.has(digest)) return;
    revoked.set(digest, at);
    tell({ topic: 'revocations', id: digest });
  }

  function pendingFor(id: string): boolean {
    return [...byId.values()].some((one) => one.replaces === id && one.pending && one.revokedAt === null);
  }

  function change(record: KeyRecord): KeyRecord {
    byId.set(record.id, record);
    tell({ topic: 'keys', id: record.id });
    return structuredClone(record);
  }

  async function* pages(): AsyncGenerator<KeyRecord[]> {
    const all = await step(() => [...byId.values()]);
    for (let at = 0; at < all.length; at += pageSize)
      yield all.slice(at, at + pageSize).map((record) => structuredClone(record));
  }

  return {
    insert: (record) =>
      step(() => {
        if (byId.has(record.id)) throw new StoreError('duplicate', `the key id ${record.id} is taken`);
        const holder = idByDigest.get(record.digest);
        if (holder) throw new StoreError('duplicate', `this key is stored already, as ${holder}`);
        if (record.pending && record.replaces !== null && pendingFor(record.replaces))
          throw new StoreError('duplicate', `another key waits to take the place of ${record.replaces}`);
        byId.set(record.id, structuredClone(record));
        idByDigest.set(record.digest, record.id);
        tell({ topic: 'keys', id: record.id });
      }),
    get: (id) => step(() => copy(byId.get(id))),
    byDigest: (digest) => step(() => copy(byId.get(idByDigest.get(digest) ?? ''))),
    list: () => oldestFirst(pages()),
    pages,
    revoke: (id, at) =>
      step(() => {
        const record = byId.get(id);
        if (!record) return null;
        if (record.revokedAt !== null) return structuredClone(record);
        const dead = { ...record, revokedAt: at };
        byId.set(id, dead);
        tell({ topic: 'keys', id });
        bury(record.digest, at);
        return structuredClone(dead);
      }),
    promote: (id, previousEndsAt) =>
      step(() => {
        const record = byId.get(id);
        if (!record || !record.pending || record.revokedAt !== null) return copy(record);
        const current = change({ ...record, pending: false });
        const previous = byId.get(record.replaces ?? '');
        if (previous && previousEndsAt !== null && previous.revokedAt === null && endsAfter(previous, previousEndsAt))
          change({ ...previous, expiresAt: previousEndsAt });
        return current;
      }),
    setExpiry: (id, expiresAt, only) =>
      step(() => {
        const record = byId.get(id);
        if (!record || record.revokedAt !== null || record.expiresAt === expiresAt) return copy(record);
        if (only === 'sooner' && (expiresAt === null || !endsAfter(record, expiresAt))) return copy(record);
        return change({ ...record, expiresAt });
      }),
    revocations: () => step(() => [...revoked.keys()]),
    revokeDigest: (digest, at) => step(() => bury(digest, at)),
  };
}

function endsAfter({ expiresAt }: KeyRecord, time: number): boolean {
  return expiresAt === null || expiresAt > time;
}

/** What is given out is a copy: a caller that changes it changes nothing here, as with any other store. */
function copy(record: KeyRecord | undefined): KeyRecord | null {
  return record ? structuredClone(record) : null;
}
