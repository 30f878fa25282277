import type { KeyKind, KeyRecord } from '../../core/credential.ts';
import type { KeyStore } from '../../core/store.ts';
import type { Changes } from './changes.ts';
import type { Database } from './database.ts';
import { stringList } from '../json.ts';
import { oldestFirst } from '../oldest-first.ts';

interface KeyRow {
  readonly id: string;
  readonly service: string;
  readonly kind: KeyKind;
  readonly digest: string;
  readonly material: string | null;
  readonly lastFour: string;
  readonly imported: number;
  readonly scopes: string;
  readonly allowedIps: string;
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly replaces: string | null;
  readonly pending: number;
}

const select = `SELECT id, service, kind, digest, material, last_four AS lastFour, imported, scopes,
  allowed_ips AS allowedIps, created_at AS createdAt, expires_at AS expiresAt, revoked_at AS revokedAt,
  replaces, pending FROM countersign_keys`;
export const keyByDigest = `${select} WHERE digest = ?`;
export const keyById = `${select} WHERE id = ?`;
export const keysBehind = `${select} WHERE id > ? ORDER BY id LIMIT ?`;
/** Rows read at a time: a few milliseconds, during which nothing else is done here. */
const pageSize = 1000;

const insert = `INSERT INTO countersign_keys
  (id, service, kind, digest, material, last_four, imported, scopes, allowed_ips, created_at, expires_at, revoked_at,
    replaces, pending)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const endSooner = `UPDATE countersign_keys SET expires_at = ?
  WHERE id = ? AND revoked_at IS NULL AND ifnull(expires_at, 9e999) > ?`;
const setEnd = `UPDATE countersign_keys SET expires_at = ?
  WHERE id = ? AND revoked_at IS NULL AND expires_at IS NOT ?`;

export function sqliteKeys(database: Database, { write, note }: Changes): KeyStore {
  const { step } = database;

  function find(sql: string, value: string): KeyRecord | null {
    const row = database.durable.get<KeyRow>(sql, value);
    return row && recordOf(row);
  }

  function bury(digest: string, at: number): void {
    const sql =
      'INSERT INTO countersign_revocations (digest, revoked_at) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING';
    if (database.durable.run(sql, digest, at) > 0) note('revocations', digest);
  }

  async function* pages(): AsyncGenerator<KeyRecord[]> {
    for (let last = ''; ;) {
      const page = await step(() => database.durable.all<KeyRow>(keysBehind, last, pageSize).map(recordOf));
      yield page;
      const end = page.at(-1);
      if (!end || page.length < pageSize) return;
      last = end.id;
    }
  }

  return {
    insert: (record) =>
      step(() =>
        write(() => {
          const { id, service, kind, digest, material, lastFour, imported, createdAt, expiresAt, revokedAt } = record;
          const scopes = JSON.stringify(record.scopes);
          const allowedIps = JSON.stringify(record.allowedIps);
          database.durable.run(
            insert,
            id,
            service,
            kind,
            digest,
            material,
            lastFour,
            Number(imported),
            scopes,
            allowedIps,
            createdAt,
            expiresAt,
            revokedAt,
            record.replaces,
            Number(record.pending),
          );
          note('keys', id);
        }),
      ),
    get: (id) => step(() => find(keyById, id)),
    byDigest: (digest) => step(() => find(keyByDigest, digest)),
    list: () => oldestFirst(pages()),
    pages,
    revoke: (id, at) =>
      step(() =>
        write(() => {
          const record = find(keyById, id);
          if (!record || record.revokedAt !== null) return record;
          database.durable.run('UPDATE countersign_keys SET revoked_at = ? WHERE id = ?', at, id);
          note('keys', id);
          bury(record.digest, at);
          return { ...record, revokedAt: at };
        }),
      ),
    promote: (id, previousEndsAt) =>
      step(() =>
        write(() => {
          const record = find(keyById, id);
          if (!record || !record.pending || record.revokedAt !== null) return record;
          database.durable.run('UPDATE countersign_keys SET pending = FALSE WHERE id = ?', id);
          note('keys', id);
          const { replaces } = record;
          if (database.durable.run(endSooner, previousEndsAt, replaces, previousEndsAt) > 0)
            note('keys', replaces ?? '');
          return { ...record, pending: false };
        }),
      ),
    setExpiry: (id, expiresAt, only) =>
      step(() =>
        write(() => {
          if (database.durable.run(only ? endSooner : setEnd, expiresAt, id, expiresAt) > 0) note('keys', id);
          return find(keyById, id);
        }),
      ),
    revocations: () =>
      step(() =>
        database.durable
          .all<{ digest: string }>('SELECT digest FROM countersign_revocations')
          .map(({ digest }) => digest),
      ),
    revokeDigest: (digest, at) => step(() => write(() => bury(digest, at))),
  };
}

function recordOf(row: KeyRow): KeyRecord {
  return {
    ...row,
    imported: row.imported === 1,
    pending: row.pending === 1,
    scopes: stringList(row.scopes, `key ${row.id}`),
    allowedIps: stringList(row.allowedIps, `key ${row.id}`),
  };
}
