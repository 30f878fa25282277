import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TokenRecord } from '../../core/credential.ts';
import type { TokenStore } from '../../core/store.ts';
import type { Changes } from './changes.ts';
import type { Database } from './database.ts';
import { jsonObject, stringList } from '../json.ts';
import { comparable, comparableTime, epochOf, timeText } from './time.ts';

interface TokenRow {
  readonly tokenId: string;
  readonly tokenHash: string;
  readonly createdAt: unknown;
  readonly expiresAt: unknown;
  readonly revokedAt: unknown;
  readonly metadata: string | null;
  readonly scopes: string;
  readonly allowedIps: string;
  readonly clientId: string | null;
  readonly createdBy: string;
}

const select = `SELECT token_id AS tokenId, token_hash AS tokenHash, created_at AS createdAt, expires_at AS expiresAt,
  revoked_at AS revokedAt, metadata, scopes, allowed_ips AS allowedIps, client_id AS clientId, created_by AS createdBy
  FROM auth_tokens`;
export const tokenByHash = `${select} WHERE token_hash = ?`;
export const tokenById = `${select} WHERE token_id = ?`;
export const tokensActive = `${select} WHERE ${comparable('expires_at')} > ? AND revoked_at IS NULL
  ORDER BY ${comparable('created_at')} DESC, token_id LIMIT ?`;
export const tokensDelete = `DELETE FROM auth_tokens WHERE token_id IN
  (SELECT token_id FROM auth_tokens WHERE ${comparable('expires_at')} < ? LIMIT ?)`;

const insert = `INSERT INTO auth_tokens
  (token_id, token_hash, created_at, expires_at, revoked_at, metadata, scopes, allowed_ips, client_id, created_by)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** Rows deleted at a time, so that neither the event loop nor other processes wait long. */
const deleteStep = 1000;

export function sqliteTokens(database: Database, { write }: Changes): TokenStore {
  const { step } = database;

  function find(sql: string, value: string): TokenRecord | null {
    const row = database.durable.get<TokenRow>(sql, value);
    return row && recordOf(row);
  }

  return {
    insert: (record) =>
      step(() =>
        write(() => {
          const { tokenId, tokenHash, createdAt, expiresAt, revokedAt, clientId, createdBy } = record;
          database.durable.run(
            insert,
            tokenId,
            tokenHash,
            timeText(createdAt),
            timeText(expiresAt),
            revokedAt === null ? null : timeText(revokedAt),
            JSON.stringify(record.metadata),
            JSON.stringify(record.scopes),
            JSON.stringify(record.allowedIps),
            clientId,
            createdBy,
          );
        }),
      ),
    byHash: (tokenHash) => step(() => find(tokenByHash, tokenHash)),
    get: (tokenId) => step(() => find(tokenById, tokenId)),
    listActive: (now, limit) =>
      step(() => database.durable.all<TokenRow>(tokensActive, comparableTime(now), Math.max(0, limit)).map(recordOf)),
    revoke: (tokenId, at) =>
      step(() =>
        write(() => {
          const record = find(tokenById, tokenId);
          if (!record || record.revokedAt !== null) return record;
          database.durable.run('UPDATE auth_tokens SET revoked_at = ? WHERE token_id = ?', timeText(at), tokenId);
          return find(tokenById, tokenId);
        }),
      ),
    async deleteExpired(before) {
      for (let deleted = 0; ; await nextTurn()) {
        const count = await step(() =>
          write(() => database.durable.run(tokensDelete, comparableTime(before), deleteStep)),
        );
        deleted += count;
        if (count < deleteStep) return deleted;
      }
    },
  };
}

/** A time that another program wrote and that cannot be read ends the token rather than keeping it alive. */
function recordOf(row: TokenRow): TokenRecord {
  return {
    ...row,
    createdAt: epochOf(row.createdAt) ?? 0,
    expiresAt: epochOf(row.expiresAt) ?? 0,
    revokedAt: row.revokedAt === null ? null : (epochOf(row.revokedAt) ?? 0),
    metadata: jsonObject(row.metadata),
    scopes: stringList(row.scopes, `token ${row.tokenId}`),
    allowedIps: stringList(row.allowedIps, `token ${row.tokenId}`),
  };
}
