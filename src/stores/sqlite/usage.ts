import type { KeyUse } from '../../core/credential.ts';
import { usesKeptMax, type UsageStore } from '../../core/store.ts';
import type { Database } from './database.ts';

const upsert = `INSERT INTO countersign_usage (credential_id, caller, client_address, first_used, last_used, count)
  VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (credential_id, caller, client_address) DO UPDATE SET first_used = MIN(first_used, excluded.first_used),
    last_used = MAX(last_used, excluded.last_used), count = count + excluded.count`;

export const usesBeyond = `DELETE FROM countersign_usage WHERE rowid IN (SELECT rowid FROM countersign_usage
  WHERE credential_id = ? ORDER BY last_used DESC LIMIT -1 OFFSET ${usesKeptMax})`;

const select = `SELECT credential_id AS credentialId, caller, client_address AS clientAddress, first_used AS firstUsed,
  last_used AS lastUsed, count FROM countersign_usage`;
export const usesOf = `${select} WHERE credential_id = ?`;

export function sqliteUsage(database: Database): UsageStore {
  const { step } = database;
  return {
    add: (uses) =>
      step(() => {
        const { quick } = database;
        if (uses.length === 0) return;
        quick.transaction(() => {
          for (const { credentialId, caller, clientAddress, firstUsed, lastUsed, count } of uses)
            quick.run(upsert, credentialId, caller, clientAddress, firstUsed, lastUsed, count);
          for (const id of new Set(uses.map(({ credentialId }) => credentialId))) quick.run(usesBeyond, id);
        });
      }),
    list: (credentialIds) =>
      step(() => {
        const { quick } = database;
        const rows = credentialIds
          ? [...new Set(credentialIds)].flatMap((id) => quick.all<KeyUse>(usesOf, id))
          : quick.all<KeyUse>(select);
        return rows.map((row) => ({ ...row })).sort((a, b) => b.lastUsed - a.lastUsed);
      }),
  };
}
