import type { TokenRecord } from '../../core/credential.ts';
import { StoreError, type TokenStore } from '../../core/store.ts';
import type { Memory } from './memory.ts';

export function memoryTokens({ step, tell }: Memory): TokenStore {
  const byId = new Map<string, TokenRecord>();
  const idByHash = new Map<string, string>();

  return {
    insert: (record) =>
      step(() => {
        if (byId.has(record.tokenId)) throw new StoreError('duplicate', `the token id ${record.tokenId} is taken`);
        const holder = idByHash.get(record.tokenHash);
        if (holder) throw new StoreError('duplicate', `this token is stored already, as ${holder}`);
        byId.set(record.tokenId, structuredClone(record));
        idByHash.set(record.tokenHash, record.tokenId);
        tell({ topic: 'tokens', id: record.tokenId });
      }),
    byHash: (tokenHash) => step(() => copy(byId.get(idByHash.get(tokenHash) ?? ''))),
    get: (tokenId) => step(() => copy(byId.get(tokenId))),
    listActive: (now, limit) =>
      step(() =>
        [...byId.values()]
          .filter((record) => record.revokedAt === null && record.expiresAt > now)
          .sort((a, b) => b.createdAt - a.createdAt || (a.tokenId < b.tokenId ? -1 : 1))
          .slice(0, Math.max(0, limit))
          .map((record) => structuredClone(record)),
      ),
    revoke: (tokenId, at) =>
      step(() => {
        const record = byId.get(tokenId);
        if (!record) return null;
        if (record.revokedAt !== null) return structuredClone(record);
        const dead = { ...record, revokedAt: at };
        byId.set(tokenId, dead);
        tell({ topic: 'tokens', id: tokenId });
        return structuredClone(dead);
      }),
    deleteExpired: (before) =>
      step(() => {
        const expired = [...byId.values()].filter((record) => record.expiresAt < before);
        for (const record of expired) {
          byId.delete(record.tokenId);
          idByHash.delete(record.tokenHash);
        }
        return expired.length;
      }),
  };
}

function copy(record: TokenRecord | undefined): TokenRecord | null {
  return record ? structuredClone(record) : null;
}
