import type { TokenEntry } from '../../core/credential.ts';

/** Tokens seen lately, by hash; those used longest ago are forgotten first. Unknown hashes are never remembered. */
export interface TokenMemory {
  find(tokenHash: string): TokenEntry | null | Promise<TokenEntry | null>;
  /** The token changed, or with null any may have: what is held or under way about it is asked anew. */
  forget(tokenId: string | null): void;
  knowsLive(tokenId: string): boolean;
}

/** One question to the store, and which tokens changed while it was under way. */
interface LookUp {
  readonly changed: Set<string>;
  allChanged: boolean;
  answer: Promise<TokenEntry | null>;
}

export function tokenMemory(sizeMax: number, ask: (tokenHash: string) => Promise<TokenEntry | null>): TokenMemory {
  const byHash = new Map<string, TokenEntry>();
  const hashById = new Map<string, string>();
  const underWay = new Map<string, LookUp>();

  function remember(tokenHash: string, entry: TokenEntry): void {
    byHash.set(tokenHash, entry);
    hashById.set(entry.principal.credentialId, tokenHash);
    if (byHash.size <= sizeMax) return;
    for (const [oldest, { principal }] of byHash) {
      byHash.delete(oldest);
      hashById.delete(principal.credentialId);
      return;
    }
  }

  /** An answer given before a change could put a revoked token back to life, so it is thrown away and asked for again. */
  async function lookUp(tokenHash: string, one: LookUp): Promise<TokenEntry | null> {
    try {
      for (;;) {
        one.changed.clear();
        one.allChanged = false;
        const entry = await ask(tokenHash);
        if (one.allChanged || (entry && one.changed.has(entry.principal.credentialId))) continue;
        if (entry) remember(tokenHash, entry);
        return entry;
      }
    } finally {
      underWay.delete(tokenHash);
    }
  }

  return {
    find(tokenHash) {
      const known = byHash.get(tokenHash);
      if (known) {
        byHash.delete(tokenHash);
        byHash.set(tokenHash, known);
        return known;
      }
      const before = underWay.get(tokenHash);
      if (before) return before.answer;
      const one: LookUp = { changed: new Set(), allChanged: false, answer: Promise.resolve(null) };
      underWay.set(tokenHash, one);
      one.answer = lookUp(tokenHash, one);
      return one.answer;
    },
    forget(tokenId) {
      for (const one of underWay.values()) {
        if (tokenId === null) one.allChanged = true;
        else one.changed.add(tokenId);
      }
      if (tokenId === null) {
        byHash.clear();
        hashById.clear();
        return;
      }
      const tokenHash = hashById.get(tokenId);
      if (tokenHash === undefined) return;
      byHash.delete(tokenHash);
      hashById.delete(tokenId);
    },
    knowsLive(tokenId) {
      const tokenHash = hashById.get(tokenId);
      return tokenHash !== undefined && byHash.get(tokenHash)?.revoked === false;
    },
  };
}
