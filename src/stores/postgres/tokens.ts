import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TokenRecord } from '../../core/credential.ts';
import { StoreError, type TokenStore } from '../../core/store.ts';
import { storableText } from '../../core/text/storable-text.ts';
import { jsonObject, stringList } from '../json.ts';
import { longMillisMax, type Queries, type Statement } from './database.ts';
import type { Feed } from './feed.ts';

type TokenRow = Omit<TokenRecord, 'scopes' | 'allowedIps' | 'metadata' | 'tokenHash'> & {
  readonly tokenHash: string | null;
  readonly scopes: string;
  readonly allowedIps: string;
  readonly metadata: string | null;
};

const epoch = (column: string): string => `EXTRACT(EPOCH FROM ${column})::float8`;

const select = `SELECT token_id AS "tokenId", token_hash AS "tokenHash", ${epoch('created_at')} AS "createdAt",
  ${epoch('expires_at')} AS "expiresAt", ${epoch('revoked_at')} AS "revokedAt", metadata::text AS metadata,
  scopes::text AS scopes, allowed_ips::text AS "allowedIps", client_id AS "clientId", created_by AS "createdBy"
  FROM auth_tokens`;

export const tokenByHash: Statement = { name: 'countersign-token-by-hash', text: `${select} WHERE token_hash = $1` };
export const tokenById: Statement = { name: 'countersign-token-by-id', text: `${select} WHERE token_id = $1` };
export const activeTokens: Statement = {
  name: 'countersign-tokens-active',
  text: `${select} WHERE expires_at > to_timestamp($1) AND revoked_at IS NULL
    ORDER BY created_at DESC, token_id LIMIT $2`,
};

const insert: Statement = {
  name: 'countersign-token-insert',
  text: `WITH done AS (
      INSERT INTO auth_tokens (token_id, token_hash, created_at, expires_at, revoked_at, metadata, scopes, allowed_ips,
        client_id, created_by)
      VALUES ($2, $3, to_timestamp($4), to_timestamp($5), to_timestamp($6), $7::text::jsonb, $8::text::jsonb,
        $9::text::jsonb, $10, $11)
      ON CONFLICT DO NOTHING RETURNING token_id)
    SELECT countersign_tell($1, 'tokens', token_id::text) AS told FROM done`,
};

const revoke: Statement = {
  name: 'countersign-token-revoke',
  text: `WITH done AS (
      UPDATE auth_tokens SET revoked_at = to_timestamp($3) WHERE token_id = $2 AND revoked_at IS NULL
      RETURNING token_id)
    SELECT countersign_tell($1, 'tokens', token_id::text) AS told FROM done`,
};

/** Marked as told, since nothing is to be told: an expired token is dead wherever it is held. */
export const deleteSome: Statement = {
  name: 'countersign-tokens-delete',
  text: `WITH gone AS (
      DELETE FROM auth_tokens WHERE token_id IN
        (SELECT token_id FROM auth_tokens WHERE expires_at < to_timestamp($1) LIMIT $2 FOR UPDATE SKIP LOCKED)
      RETURNING 1)
    SELECT COUNT(*)::int AS count, set_config('countersign.told', 'yes', true) FROM gone`,
};

const deleteStep = 1000;

export const tokenStatements: readonly Statement[] = [tokenByHash, tokenById, activeTokens, insert, revoke, deleteSome];

export function postgresTokens(database: Queries, feed: Feed): TokenStore {
  async function find(statement: Statement, value: string): Promise<TokenRecord | null> {
    const [row] = await database.query<TokenRow>(statement, [value]);
    return row ? recordOf(row) : null;
  }
  // Postgres takes nothing but a UUID for one; asked all the same, so that a store that is away or closed says so.
  const byId = (tokenId: string): Promise<TokenRecord | null> => find(tokenById, isUuid(tokenId) ? tokenId : nobody);

  return {
    async insert(record) {
      const { tokenId, tokenHash, createdAt, expiresAt, revokedAt, clientId, createdBy } = record;
      const metadata = JSON.stringify(record.metadata, (_key, value: unknown) => storable(value));
      const lists = [JSON.stringify(record.scopes), JSON.stringify(record.allowedIps)];
      const times = [createdAt, expiresAt, revokedAt];
      if (!(await feed.write(insert, [tokenId, tokenHash, ...times, metadata, ...lists, clientId, createdBy])))
        throw new StoreError('duplicate', `the token id ${tokenId} is taken, or this token is stored already`);
    },
    byHash: (tokenHash) => find(tokenByHash, tokenHash),
    get: byId,
    async listActive(now, limit) {
      const rows = await database.query<TokenRow>(activeTokens, [now, Math.max(0, limit)], longMillisMax);
      return rows.map(recordOf);
    },
    async revoke(tokenId, at) {
      if (isUuid(tokenId)) await feed.write(revoke, [tokenId, at]);
      return byId(tokenId);
    },
    async deleteExpired(before) {
      for (let deleted = 0; ; await nextTurn()) {
        const [row] = await database.query<{ count: number }>(deleteSome, [before, deleteStep], longMillisMax);
        deleted += row?.count ?? 0;
        if (!row || row.count < deleteStep) return deleted;
      }
    },
  };
}

const nobody = '00000000-0000-0000-0000-000000000000';

function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

/** The last second of the year 9999: as far as a time can be written on the wire. */
const lastSecond = 253_402_300_799;

function recordOf(row: TokenRow): TokenRecord {
  return {
    ...row,
    tokenHash: row.tokenHash ?? '',
    createdAt: writable(row.createdAt),
    // An adopted table may say 'infinity'.
    expiresAt: writable(row.expiresAt),
    revokedAt: row.revokedAt === null ? null : writable(row.revokedAt),
    metadata: jsonObject(row.metadata),
    scopes: stringList(row.scopes, `token ${row.tokenId}`),
    allowedIps: stringList(row.allowedIps, `token ${row.tokenId}`),
  };
}

/** Ends the token rather than keeping it alive where there is no time at all. */
function writable(seconds: number | null): number {
  return Math.min(lastSecond, Math.max(0, seconds ?? 0));
}

/** Of a member its name as well. */
function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [storableText(name), member]));
}
