import type { KeyRecord } from '../../core/credential.ts';
import { StoreError, type KeyStore } from '../../core/store.ts';
import { stringList } from '../json.ts';
import { oldestFirst } from '../oldest-first.ts';
import type { Queries, Statement } from './database.ts';
import type { Feed } from './feed.ts';

type KeyRow = Omit<KeyRecord, 'scopes' | 'allowedIps'> & { readonly scopes: string; readonly allowedIps: string };

const select = `SELECT id, service, kind, digest, material, last_four AS "lastFour", imported, scopes::text AS scopes,
  allowed_ips::text AS "allowedIps", created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt",
  replaces, pending FROM countersign_keys`;

export const keyByDigest: Statement = { name: 'countersign-key-by-digest', text: `${select} WHERE digest = $1` };
export const keyById: Statement = { name: 'countersign-key-by-id', text: `${select} WHERE id = $1` };
export const keysBehind: Statement = {
  name: 'countersign-keys-behind',
  text: `${select} WHERE id > $1 ORDER BY id LIMIT $2`,
};
export const revocationsBehind: Statement = {
  name: 'countersign-revocations-behind',
  text: 'SELECT digest FROM countersign_revocations WHERE digest > $1 ORDER BY digest LIMIT $2',
};

const insert: Statement = {
  name: 'countersign-key-insert',
  text: `WITH done AS (
      INSERT INTO countersign_keys (id, service, kind, digest, material, last_four, imported, scopes, allowed_ips,
        created_at, expires_at, revoked_at, replaces, pending)
      VALUES ($2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10::text::jsonb, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING RETURNING id)
    SELECT countersign_tell($1, 'keys', id) AS told FROM done`,
};

const revoke: Statement = {
  name: 'countersign-key-revoke',
  text: `WITH done AS (
      UPDATE countersign_keys SET revoked_at = $3 WHERE id = $2 AND revoked_at IS NULL RETURNING id, digest),
    buried AS (
      INSERT INTO countersign_revocations (digest, revoked_at) SELECT digest, $3 FROM done
      ON CONFLICT DO NOTHING RETURNING digest)
    SELECT countersign_tell($1, 'keys', id) AS told FROM done
    UNION ALL SELECT countersign_tell($1, 'revocations', digest) FROM buried`,
};

const promote: Statement = {
  name: 'countersign-key-promote',
  text: `WITH current AS (
      UPDATE countersign_keys SET pending = FALSE WHERE id = $2 AND pending AND revoked_at IS NULL
      RETURNING id, replaces),
    previous AS (
      UPDATE countersign_keys SET expires_at = $3::float8 WHERE id = (SELECT replaces FROM current)
        AND revoked_at IS NULL AND $3::float8 IS NOT NULL AND (expires_at IS NULL OR expires_at > $3::float8)
      RETURNING id)
    SELECT countersign_tell($1, 'keys', id) AS told FROM current
    UNION ALL SELECT countersign_tell($1, 'keys', id) FROM previous`,
};

const setEnd: Statement = {
  name: 'countersign-key-end',
  text: `WITH done AS (
      UPDATE countersign_keys SET expires_at = $3::float8
      WHERE id = $2 AND revoked_at IS NULL AND expires_at IS DISTINCT FROM $3::float8 RETURNING id)
    SELECT countersign_tell($1, 'keys', id) AS told FROM done`,
};

const endSooner: Statement = {
  name: 'countersign-key-end-sooner',
  text: `WITH done AS (
      UPDATE countersign_keys SET expires_at = $3::float8
      WHERE id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3::float8)
        AND $3::float8 IS NOT NULL RETURNING id)
    SELECT countersign_tell($1, 'keys', id) AS told FROM done`,
};

const bury: Statement = {
  name: 'countersign-digest-revoke',
  text: `WITH buried AS (
      INSERT INTO countersign_revocations (digest, revoked_at) VALUES ($2, $3) ON CONFLICT DO NOTHING RETURNING digest)
    SELECT countersign_tell($1, 'revocations', digest) AS told FROM buried`,
};

/** Rows read at a time, so that a list of any length comes in answers of bounded time and the event loop runs on. */
const pageSize = 1000;

export const keyStatements: readonly Statement[] = [
  keyByDigest,
  keyById,
  keysBehind,
  revocationsBehind,
  insert,
  revoke,
  promote,
  setEnd,
  endSooner,
  bury,
];

export function postgresKeys(database: Queries, feed: Feed): KeyStore {
  async function find(statement: Statement, value: string): Promise<KeyRecord | null> {
    const [row] = await database.query<KeyRow>(statement, [value]);
    return row ? recordOf(row) : null;
  }

  async function* pages<Row extends object>(statement: Statement, keyOf: (row: Row) => string): AsyncGenerator<Row[]> {
    for (let last = ''; ;) {
      const page = await database.query<Row>(statement, [last, pageSize]);
      yield page;
      const end = page.at(-1);
      if (!end || page.length < pageSize) return;
      last = keyOf(end);
    }
  }

  async function* keyPages(): AsyncGenerator<KeyRecord[]> {
    for await (const page of pages(keysBehind, ({ id }: KeyRow) => id)) yield page.map(recordOf);
  }

  return {
    async insert(record) {
      const { id, service, kind, digest, material, lastFour, imported, createdAt, expiresAt, revokedAt } = record;
      const { replaces, pending } = record;
      const lists = [JSON.stringify(record.scopes), JSON.stringify(record.allowedIps)];
      const values = [id, service, kind, digest, material, lastFour, imported, ...lists];
      if (await feed.write(insert, [...values, createdAt, expiresAt, revokedAt, replaces, pending])) return;
      const words = pending ? `, or another key waits to take the place of ${replaces}` : '';
      throw new StoreError('duplicate', `the key id ${id} is taken, or this key is stored already${words}`);
    },
    get: (id) => find(keyById, id),
    byDigest: (digest) => find(keyByDigest, digest),
    list: () => oldestFirst(keyPages()),
    pages: keyPages,
    async revoke(id, at) {
      await feed.write(revoke, [id, at]);
      return find(keyById, id);
    },
    async promote(id, previousEndsAt) {
      await feed.write(promote, [id, previousEndsAt]);
      return find(keyById, id);
    },
    async setExpiry(id, expiresAt, only) {
      await feed.write(only ? endSooner : setEnd, [id, expiresAt]);
      return find(keyById, id);
    },
    async revocations() {
      const digests: string[] = [];
      for await (const page of pages(revocationsBehind, ({ digest }: { digest: string }) => digest))
        for (const { digest } of page) digests.push(digest);
      return digests;
    },
    async revokeDigest(digest, at) {
      await feed.write(bury, [digest, at]);
    },
  };
}

function recordOf(row: KeyRow): KeyRecord {
  return {
    ...row,
    scopes: stringList(row.scopes, `key ${row.id}`),
    allowedIps: stringList(row.allowedIps, `key ${row.id}`),
  };
}
