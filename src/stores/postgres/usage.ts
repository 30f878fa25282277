import type { KeyUse } from '../../core/credential.ts';
import { usesKeptMax, type UsageStore } from '../../core/store.ts';
import { storable, storableText } from '../../core/text/storable-text.ts';
import { longMillisMax, type Queries, type Statement } from './database.ts';

type Column = readonly [column: string, field: keyof KeyUse, type: 'text' | 'float8'];

const columns: readonly Column[] = [
  ['credential_id', 'credentialId', 'text'],
  ['caller', 'caller', 'text'],
  ['client_address', 'clientAddress', 'text'],
  ['first_used', 'firstUsed', 'float8'],
  ['last_used', 'lastUsed', 'float8'],
  ['count', 'count', 'float8'],
];
const names = columns.map(([column]) => column).join(', ');

/** Put together and in one order, so that no row comes twice and two writers never wait for each other in a circle. */
const add: Statement = {
  name: 'countersign-usage-add',
  silent: true,
  text: `INSERT INTO countersign_usage (${names})
    SELECT credential_id, caller, client_address, MIN(first_used), MAX(last_used), SUM(count)
    FROM unnest(${columns.map(([, , type], index) => `$${index + 1}::${type}[]`).join(', ')}) AS given (${names})
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (credential_id, caller, client_address) DO UPDATE SET
      first_used = LEAST(countersign_usage.first_used, EXCLUDED.first_used),
      last_used = GREATEST(countersign_usage.last_used, EXCLUDED.last_used),
      count = countersign_usage.count + EXCLUDED.count`,
};

/** What somebody else is about to change was used just now. */
export const usesBeyond: Statement = {
  name: 'countersign-usage-beyond',
  silent: true,
  text: `WITH beyond AS (
      SELECT place.ctid FROM unnest($1::text[]) AS given (credential_id) CROSS JOIN LATERAL (
        SELECT ctid FROM countersign_usage AS used WHERE used.credential_id = given.credential_id
        ORDER BY last_used DESC OFFSET ${usesKeptMax}) AS place),
    locked AS (SELECT ctid FROM countersign_usage WHERE ctid IN (SELECT ctid FROM beyond) FOR UPDATE SKIP LOCKED)
    DELETE FROM countersign_usage WHERE ctid IN (SELECT ctid FROM locked)`,
};

const select = `SELECT ${columns.map(([column, field]) => `${column} AS "${field}"`).join(', ')} FROM countersign_usage`;
const all: Statement = { name: 'countersign-usage', text: `${select} ORDER BY last_used DESC` };
export const usesOf: Statement = {
  name: 'countersign-usage-of',
  text: `${select} WHERE credential_id = ANY ($1) ORDER BY last_used DESC`,
};

export const usageStatements: readonly Statement[] = [add, usesBeyond, all, usesOf];

export function postgresUsage(database: Queries): UsageStore {
  return {
    async add(uses) {
      if (uses.length === 0) return;
      const values = columns.map(([, field]) => uses.map((use) => storable(use[field])));
      await database.query(add, values, longMillisMax);
      const ids = [...new Set(uses.map(({ credentialId }) => storableText(credentialId)))];
      await database.query(usesBeyond, [ids], longMillisMax);
    },
    list: (credentialIds) =>
      credentialIds
        ? database.query<KeyUse>(usesOf, [credentialIds.map(storableText)], longMillisMax)
        : database.query<KeyUse>(all, [], longMillisMax),
  };
}
