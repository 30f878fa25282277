import { addressList } from '../../core/address.ts';
import type { Clock } from '../../core/clock.ts';
import type { TokenEntry, TokenLookup, TokenRecord } from '../../core/credential.ts';
import type { Principal } from '../../core/verdict.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { mintKey } from '../../crypto/key-format.ts';
import { uuid } from '../../crypto/random.ts';
import { audience } from '../../core/audience.ts';
import type { SessionStore } from '../sources/key-source.ts';
import { tokenMemory } from './token-memory.ts';

export interface MintRequest {
  readonly ttlSeconds: number;
  readonly scopes: readonly string[];
  readonly allowedIps: readonly string[];
  readonly clientId: string | null;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The principal id of the minter, for the record. */
  readonly createdBy: string;
}

/** The life of a session token. What was revoked here or by another process is dead in memory at once. */
export interface Tokens extends TokenLookup {
  /** The token itself is in the answer and nowhere else. */
  mint(request: MintRequest): Promise<{ readonly token: string; readonly record: TokenRecord }>;
  listActive(limit: number): Promise<TokenRecord[]>;
  /** Live ones that this principal minted ('token:<uuid>', 'service:aidb'), newest first, among the newest 100,000 live tokens. */
  mintedBy(principalId: string): Promise<TokenRecord[]>;
  /** The same of those that were made for this client. */
  madeFor(clientId: string): Promise<TokenRecord[]>;
  /** The same of those with these words in their id, client, scopes or maker, in capitals or not. */
  matching(words: string): Promise<TokenRecord[]>;
  get(tokenId: string): Promise<TokenRecord | null>;
  byToken(token: string): Promise<TokenRecord | null>;
  /** Null when there is no such token. */
  revoke(tokenId: string): Promise<TokenRecord | null>;
  /** Told of every token that changed, by its id, or null when any may have; returns how to stop. */
  onChange(listener: (tokenId: string | null) => void): () => void;
  /** True when memory knows the token behind the principal as not revoked; false means only that the store must be asked. */
  remembers(principal: Principal): boolean;
  close(): void;
}

export interface TokensOptions {
  readonly store: SessionStore;
  readonly clock: Clock;
  /** How many tokens are held in memory; 10,000. */
  readonly remembered?: number;
}

const lookedThroughMax = 100_000;

export function tokens({ store, clock, remembered = 10_000 }: TokensOptions): Tokens {
  const listeners = audience<string | null>();
  const memory = tokenMemory(remembered, async (tokenHash) => {
    const record = await store.tokens.byHash(tokenHash);
    return record && entryOf(record);
  });

  function changed(tokenId: string | null): void {
    memory.forget(tokenId);
    listeners.tell(tokenId);
  }

  const stop = store.watch(({ topic, id }) => {
    if (topic === 'tokens') changed(id);
    else if (topic === 'resync') changed(null);
  });

  async function liveOnes(areMeant: (record: TokenRecord) => boolean): Promise<TokenRecord[]> {
    return (await store.tokens.listActive(clock(), lookedThroughMax)).filter(areMeant);
  }

  return {
    find: (tokenHash) => memory.find(tokenHash),
    async mint(request) {
      if (!(request.ttlSeconds > 0)) throw new RangeError('a token must be valid for more than 0 seconds');
      addressList(request.allowedIps);
      const { key: token } = mintKey('st');
      const now = clock();
      const record: TokenRecord = {
        tokenId: uuid(),
        tokenHash: sha256Hex(token),
        createdAt: now,
        expiresAt: now + request.ttlSeconds,
        revokedAt: null,
        scopes: [...request.scopes],
        allowedIps: [...request.allowedIps],
        clientId: request.clientId,
        metadata: request.metadata,
        createdBy: request.createdBy,
      };
      await store.tokens.insert(record);
      return { token, record };
    },
    listActive: (limit) => store.tokens.listActive(clock(), limit),
    mintedBy: (principalId) => liveOnes(({ createdBy }) => createdBy === principalId),
    madeFor: (id) => liveOnes(({ clientId }) => clientId === id),
    matching(words) {
      const sought = words.toLowerCase();
      return liveOnes(({ tokenId, clientId, scopes, createdBy }) =>
        [tokenId, clientId ?? '', createdBy, ...scopes].some((text) => text.toLowerCase().includes(sought)),
      );
    },
    get: (tokenId) => store.tokens.get(tokenId),
    byToken: (token) => store.tokens.byHash(sha256Hex(token)),
    async revoke(tokenId) {
      const record = await store.tokens.revoke(tokenId, clock());
      // The store tells of it too, but whoever waited for the revocation must not see the token alive for even a moment.
      if (record) changed(record.tokenId);
      return record;
    },
    onChange: (listener) => listeners.add(listener),
    remembers: (principal) => memory.knowsLive(principal.credentialId),
    close() {
      stop();
      listeners.clear();
      memory.forget(null);
    },
  };
}

function entryOf(record: TokenRecord): TokenEntry {
  const principal: Principal = Object.freeze({
    id: `token:${record.tokenId}`,
    scheme: 'session-token',
    credentialId: record.tokenId,
    scopes: Object.freeze([...record.scopes]),
    expiresAt: record.expiresAt,
    addresses: record.allowedIps.length > 0 ? addressList(record.allowedIps) : null,
  });
  return Object.freeze({ principal, expiresAt: record.expiresAt, revoked: record.revokedAt !== null });
}
