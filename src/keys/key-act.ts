import { rfc3339, rfc3339OrNull } from '../core/clock.ts';
import type { KeyRecord, TokenRecord } from '../core/credential.ts';
import type { Act } from '../core/event.ts';
import type { JsonValue } from '../core/record.ts';

/** What became of a key, for the audit; never the key, nor its digest. */
export function keyAct(type: `key.${string}`, record: KeyRecord, more: Readonly<Record<string, JsonValue>> = {}): Act {
  const { id, service, kind, scopes, expiresAt, replaces } = record;
  const expires_at = rfc3339OrNull(expiresAt);
  return { type, subject: id, detail: { service, kind, scopes, expires_at, replaces, ...more } };
}

/** What became of a session token. */
export function tokenAct(type: `token.${string}`, record: TokenRecord): Act {
  const { tokenId, scopes, expiresAt, clientId, createdBy } = record;
  const detail = { scopes, expires_at: rfc3339(expiresAt), client_id: clientId, created_by: createdBy };
  return { type, subject: tokenId, detail };
}
