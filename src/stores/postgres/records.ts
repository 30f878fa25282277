import { recordsListedMax, recordText, type RecordStore } from '../../core/record.ts';
import { uuid } from '../../crypto/random.ts';
import { storedRecord, sweepMax, type RecordRow } from '../records.ts';
import type { Queries, Statement } from './database.ts';
import type { Feed } from './feed.ts';

const select = `SELECT kind, id, value, revision, expires_at AS "expiresAt" FROM countersign_records`;
const told = `SELECT countersign_tell($1, 'records', $2 || '/' || $3) AS told FROM done`;

export const recordById: Statement = {
  name: 'countersign-record',
  text: `${select} WHERE kind = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > $3)`,
};
export const recordsBehind: Statement = {
  name: 'countersign-records',
  text: `${select} WHERE kind = $1 AND id COLLATE "C" > $2 AND (expires_at IS NULL OR expires_at > $3)
    ORDER BY id COLLATE "C" LIMIT $4`,
};
const recordKinds: Statement = {
  name: 'countersign-record-kinds',
  text: `SELECT DISTINCT kind COLLATE "C" AS kind FROM countersign_records ORDER BY 1`,
};
const create: Statement = {
  name: 'countersign-record-create',
  text: `WITH done AS (
      INSERT INTO countersign_records AS held (kind, id, value, revision, expires_at)
      VALUES ($2::text, $3::text, $4, $5, $6::float8)
      ON CONFLICT (kind, id) DO UPDATE
        SET value = excluded.value, revision = excluded.revision, expires_at = excluded.expires_at
        WHERE held.expires_at <= $7 RETURNING 1)
    ${told}`,
};
const replace: Statement = {
  name: 'countersign-record-replace',
  text: `WITH done AS (
      UPDATE countersign_records SET value = $4, revision = $5, expires_at = $6::float8
      WHERE kind = $2::text AND id = $3::text AND revision = $8 AND (expires_at IS NULL OR expires_at > $7) RETURNING 1)
    ${told}`,
};
const remove: Statement = {
  name: 'countersign-record-remove',
  text: `WITH done AS (
      DELETE FROM countersign_records
      WHERE kind = $2::text AND id = $3::text AND revision = $4 AND (expires_at IS NULL OR expires_at > $5) RETURNING 1)
    ${told}`,
};
export const expiredRecords: Statement = {
  name: 'countersign-records-expired',
  text: `WITH ended AS (SELECT kind, id FROM countersign_records WHERE expires_at < $1 LIMIT ${sweepMax}
      FOR UPDATE SKIP LOCKED),
    gone AS (DELETE FROM countersign_records AS held USING ended
      WHERE held.kind = ended.kind AND held.id = ended.id RETURNING 1)
    SELECT COUNT(*)::integer AS count FROM gone`,
};

export const recordStatements: readonly Statement[] = [
  recordById,
  recordsBehind,
  recordKinds,
  create,
  replace,
  remove,
  expiredRecords,
];

export function postgresRecords(database: Queries, feed: Feed): RecordStore {
  return {
    async get(kind, id, now) {
      const [row] = await database.query<RecordRow>(recordById, [kind, id, now]);
      return row ? storedRecord(row) : null;
    },
    async list(kind, now, { after = '', limit = recordsListedMax } = {}) {
      const rows = await database.query<RecordRow>(recordsBehind, [kind, after, now, limit]);
      return rows.map(storedRecord);
    },
    async kinds() {
      const rows = await database.query<{ kind: string }>(recordKinds, []);
      return rows.map(({ kind }) => kind);
    },
    async put(entry, expected, now) {
      const value = recordText(entry);
      const { kind, id, expiresAt } = entry;
      const revision = uuid();
      const values = [kind, id, value, revision, expiresAt, now];
      const written = await (expected === null
        ? feed.write(create, values)
        : feed.write(replace, [...values, expected]));
      return written ? storedRecord({ kind, id, value, revision, expiresAt }) : null;
    },
    remove: (kind, id, expected, now) => feed.write(remove, [kind, id, expected, now]),
    async deleteExpired(before) {
      const [row] = await database.query<{ count: number }>(expiredRecords, [before]);
      return row?.count ?? 0;
    },
  };
}
