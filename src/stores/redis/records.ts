import { recordsListedMax, recordText, type RecordStore, type StoredRecord } from '../../core/record.ts';
import { uuid } from '../../crypto/random.ts';
import { storedRecord } from '../records.ts';
import type { Feed } from './feed.ts';
import { listOf, type Server } from './server.ts';

const pageSize = 500;
/** Of the sorted sets that hold each kind's ids. */
const indexPrefix = 'countersign:records:';

export function redisRecords(server: Server, feed: Feed): RecordStore {
  return {
    async get(kind, id, now) {
      const key = `countersign:record:${kind}/${id}`;
      const fields = listOf(await server.ask((client) => client.hmget(key, 'value', 'revision', 'expiresAt')));
      return recordOf(kind, id, fields, now);
    },
    async list(kind, now, { after = '', limit = recordsListedMax } = {}) {
      const records: StoredRecord[] = [];
      for (let start = after === '' ? '-' : `(${after}`; ;) {
        const [count, last, ...rows] = listOf(await server.run('recordsPage', kind, start, pageSize));
        for (let at = 0; at < rows.length; at += 4) {
          const record = recordOf(kind, rows[at] ?? '', rows.slice(at + 1, at + 4), now);
          if (record && records.push(record) === limit) return records;
        }
        if (Number(count) < pageSize) return records;
        start = `(${last}`;
      }
    },
    async kinds() {
      const found = new Set<string>();
      let cursor = '0';
      do {
        const at = cursor;
        const match = `${indexPrefix}*`;
        const scan = await server.ask((client) => client.scan(at, 'MATCH', match, 'COUNT', pageSize));
        const [next, keys] = scan as [string, string[]];
        for (const key of keys) found.add(key.slice(indexPrefix.length));
        cursor = next;
      } while (cursor !== '0');
      return [...found].sort();
    },
    async put(entry, expected, now) {
      const value = recordText(entry);
      const { kind, id, expiresAt } = entry;
      const revision = uuid();
      const end =
        expiresAt === null ? ['', now, expected ?? '', ''] : [expiresAt, now, expected ?? '', millis(expiresAt - now)];
      const written = await feed.write('recordPut', kind, id, value, revision, ...end);
      return written ? storedRecord({ kind, id, value, revision, expiresAt }) : null;
    },
    remove: (kind, id, expected, now) => feed.write('recordRemove', kind, id, expected, now),
    async deleteExpired(before) {
      return Number(await server.run('recordsExpired', before));
    },
  };
}

function recordOf(
  kind: string,
  id: string,
  [value, revision, expiresAt]: readonly (string | null | undefined)[],
  now: number,
): StoredRecord | null {
  if (typeof value !== 'string' || typeof revision !== 'string') return null;
  const end = expiresAt === '' ? null : Number(expiresAt);
  return end !== null && end <= now ? null : storedRecord({ kind, id, value, revision, expiresAt: end });
}

/** At least one: Redis refuses less, and what has ended already is then gone at once. */
function millis(seconds: number): number {
  return Math.max(1, Math.ceil(seconds * 1000));
}
