import { recordsListedMax, recordText, type RecordStore } from '../../core/record.ts';
import { uuid } from '../../crypto/random.ts';
import { storedRecord, sweepMax, type RecordRow } from '../records.ts';
import type { Changes } from './changes.ts';
import type { Database } from './database.ts';

const select = `SELECT kind, id, value, revision, expires_at AS expiresAt FROM countersign_records`;
const alive = '(expires_at IS NULL OR expires_at > ?)';
export const recordById = `${select} WHERE kind = ? AND id = ? AND ${alive}`;
export const recordsBehind = `${select} WHERE kind = ? AND id > ? AND ${alive} ORDER BY id LIMIT ?`;

const create = `INSERT INTO countersign_records (kind, id, value, revision, expires_at) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value, revision = excluded.revision,
    expires_at = excluded.expires_at WHERE expires_at <= ?`;
const replace = `UPDATE countersign_records SET value = ?, revision = ?, expires_at = ?
  WHERE kind = ? AND id = ? AND revision = ? AND ${alive}`;
const remove = `DELETE FROM countersign_records WHERE kind = ? AND id = ? AND revision = ? AND ${alive}`;
export const expiredRecords = `DELETE FROM countersign_records WHERE rowid IN (
  SELECT rowid FROM countersign_records WHERE expires_at < ? LIMIT ${sweepMax})`;

export function sqliteRecords(database: Database, { write, note }: Changes): RecordStore {
  const { step } = database;
  return {
    get: (kind, id, now) =>
      step(() => {
        const row = database.durable.get<RecordRow>(recordById, kind, id, now);
        return row && storedRecord(row);
      }),
    list: (kind, now, { after = '', limit = recordsListedMax } = {}) =>
      step(() => database.durable.all<RecordRow>(recordsBehind, kind, after, now, limit).map(storedRecord)),
    kinds: () =>
      step(() =>
        database.durable
          .all<{ kind: string }>('SELECT DISTINCT kind FROM countersign_records ORDER BY kind')
          .map(({ kind }) => kind),
      ),
    async put(entry, expected, now) {
      const value = recordText(entry);
      const { kind, id, expiresAt } = entry;
      const revision = uuid();
      return step(() =>
        write(() => {
          const written =
            expected === null
              ? database.durable.run(create, kind, id, value, revision, expiresAt, now)
              : database.durable.run(replace, value, revision, expiresAt, kind, id, expected, now);
          if (written === 0) return null;
          note('records', `${kind}/${id}`);
          return storedRecord({ kind, id, value, revision, expiresAt });
        }),
      );
    },
    remove: (kind, id, expected, now) =>
      step(() =>
        write(() => {
          if (database.durable.run(remove, kind, id, expected, now) === 0) return false;
          note('records', `${kind}/${id}`);
          return true;
        }),
      ),
    deleteExpired: (before) => step(() => database.durable.run(expiredRecords, before)),
  };
}
