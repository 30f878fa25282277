import type { KeyRecord } from '../../core/credential.ts';
import { StoreError, type KeyStore } from '../../core/store.ts';
import { oldestFirst } from '../oldest-first.ts';
import type { Feed } from './feed.ts';
import { recordFields } from './record-fields.ts';
import { pagesOf, prefixes, recordOf } from './credential-records.ts';
import { listOf, type Server } from './server.ts';

const pageSize = 5000;

export function redisKeys(server: Server, feed: Feed): KeyStore {
  const get = async (id: string): Promise<KeyRecord | null> =>
    keyOf(id, listOf(await server.ask((client) => client.hmget(`${prefixes.keysPage}${id}`, ...recordFields))));

  async function* pages(): AsyncGenerator<KeyRecord[]> {
    for await (const page of pagesOf<KeyRecord>(server, 'keysPage')) yield page.map(whole);
  }

  return {
    async insert(record) {
      const { id, digest, createdAt, revokedAt, ...rest } = record;
      const stored = JSON.stringify({ id, digest, createdAt, ...rest });
      const waits = [rest.pending ? 'pending' : '', rest.replaces ?? ''];
      if (await feed.write('keyInsert', id, digest, createdAt, stored, revokedAt ?? '', ...waits)) return;
      const words = rest.pending ? `, or another key waits to take the place of ${rest.replaces}` : '';
      throw new StoreError('duplicate', `the key id ${id} is taken, or this key is stored already${words}`);
    },
    get,
    async byDigest(digest) {
      const [id, ...fields] = listOf(await server.run('keyByDigest', digest));
      return keyOf(id ?? '', fields);
    },
    list: () => oldestFirst(pages()),
    pages,
    async revoke(id, at) {
      await feed.write('keyRevoke', id, at);
      return get(id);
    },
    async promote(id, previousEndsAt) {
      await feed.write('keyPromote', id, previousEndsAt ?? '');
      return get(id);
    },
    async setExpiry(id, expiresAt, only) {
      await feed.write('keyEnd', id, expiresAt ?? '', only ?? '');
      return get(id);
    },
    async revocations() {
      const all = new Set<string>();
      for (let start = 0; ; start += pageSize) {
        const end = start + pageSize - 1;
        const page = listOf(
          await server.ask((client) => client.zrange('countersign:revocations', String(start), String(end))),
        );
        for (const digest of page) all.add(digest ?? '');
        if (page.length < pageSize) return [...all];
      }
    },
    async revokeDigest(digest, at) {
      await feed.write('digestRevoke', digest, at);
    },
  };
}

function keyOf(id: string, fields: readonly (string | null)[]): KeyRecord | null {
  const record = recordOf<KeyRecord>(`${prefixes.keysPage}${id}`, fields);
  return record && whole(record);
}

/** Keys that were stored before there was rotation say nothing of it. */
function whole(record: KeyRecord): KeyRecord {
  return { ...record, replaces: record.replaces ?? null, pending: record.pending ?? false };
}
