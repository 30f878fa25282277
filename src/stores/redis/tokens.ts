import type { TokenRecord } from '../../core/credential.ts';
import { StoreError, tokenKeptSeconds, type TokenStore } from '../../core/store.ts';
import type { Feed } from './feed.ts';
import { pagesOf, prefixes, recordOf } from './credential-records.ts';
import { listOf, type Server } from './server.ts';

const deleteStep = 500;

export function redisTokens(server: Server, feed: Feed): TokenStore {
  const get = async (tokenId: string): Promise<TokenRecord | null> => {
    const name = `${prefixes.tokensPage}${tokenId}`;
    return recordOf(name, listOf(await server.ask((client) => client.hmget(name, 'record', 'revokedAt'))));
  };

  return {
    async insert(record) {
      const { revokedAt, ...stored } = record;
      const { tokenId, tokenHash, createdAt, expiresAt } = stored;
      // Redis forgets it by itself. From now on rather than until a time: the server's clock need not be ours.
      const millis = Math.round((Math.max(0, expiresAt - createdAt) + tokenKeptSeconds) * 1000);
      const values = [tokenId, tokenHash, -createdAt, expiresAt, JSON.stringify(stored), revokedAt ?? '', millis];
      if (!(await feed.write('tokenInsert', ...values)))
        throw new StoreError('duplicate', `the token id ${tokenId} is taken, or this token is stored already`);
    },
    async byHash(tokenHash) {
      const [id, ...fields] = listOf(await server.run('tokenByHash', tokenHash));
      return recordOf(`${prefixes.tokensPage}${id}`, fields);
    },
    get,
    async listActive(now, limit) {
      const active = new Map<string, TokenRecord>();
      for await (const page of pagesOf<TokenRecord>(server, 'tokensPage')) {
        for (const record of page)
          if (record.revokedAt === null && record.expiresAt > now) active.set(record.tokenId, record);
        if (active.size >= limit) break;
      }
      return [...active.values()].slice(0, Math.max(0, limit));
    },
    async revoke(tokenId, at) {
      await feed.write('tokenRevoke', tokenId, at);
      return get(tokenId);
    },
    async deleteExpired(before) {
      for (let deleted = 0; ;) {
        const count = Number(await server.run('tokensDelete', before, deleteStep));
        deleted += count;
        if (count < deleteStep) return deleted;
      }
    },
  };
}
