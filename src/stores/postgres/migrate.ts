import type { Client } from 'pg';
import { rfc3339 } from '../../core/clock.ts';
import { StoreError } from '../../core/store.ts';
import { migrations, MIGRATIONS_TABLE, type Dialect, type Statement } from '../migrations.ts';
import { tellingStatements } from './tell.ts';
import type { Database } from './database.ts';

const postgres: Dialect = {
  uuid: 'UUID',
  json: 'JSONB',
  timestamp: 'TIMESTAMPTZ',
  now: 'now()',
  comparable: (column) => column,
  epochSeconds: 'DOUBLE PRECISION',
  sequence: 'BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
  // With the other tables: here the database itself tells of every change, and nobody polls.
  tellOfTokens: tellingStatements,
};

/** Any number that nobody else uses for an advisory lock. */
const lockNumber = 0x636f756e;

const isThere = { name: 'countersign-is-migrated', text: `SELECT to_regclass('countersign_migrations') AS name` };
const versionOf = { name: 'countersign-version', text: 'SELECT MAX(version) AS version FROM countersign_migrations' };

/**
 * Brings the schema up to date in one transaction, under a lock that only those who migrate take: of several starting at
 * once one does the work, and the others find it done.
 */
export async function migrate(database: Database, now: number): Promise<void> {
  const steps = migrations(postgres);
  const newest = steps.at(-1)?.version ?? 0;
  const [table] = await database.query<{ name: string | null }>(isThere);
  // Without the lock first: usually nothing is to be done.
  if (table?.name) {
    const [row] = await database.query<{ version: number | null }>(versionOf);
    if (checkedVersion(row?.version ?? 0, newest, database.place) === newest) return;
  }
  await database.transaction(async (client) => {
    await client.query(`SELECT pg_advisory_xact_lock(${lockNumber})`);
    await client.query(MIGRATIONS_TABLE);
    const { rows } = await client.query<{ version: number | null }>(versionOf.text);
    const version = checkedVersion(rows[0]?.version ?? 0, newest, database.place);
    for (const step of steps.filter((each) => each.version > version)) {
      if (step.version === 1) await checkAdoptable(client, database.place);
      for (const statement of step.statements) await client.query(sqlOf(statement));
      const sql = 'INSERT INTO countersign_migrations (version, name, applied_at) VALUES ($1, $2, $3)';
      await client.query(sql, [step.version, step.name, rfc3339(now)]);
    }
  });
}

function checkedVersion(version: number, newest: number, place: string): number {
  if (version <= newest) return version;
  throw new StoreError(
    'store_unavailable',
    `the database ${place} was written by a newer version of countersign (its schema is ${version}, this version knows ${newest}); update countersign or name another database`,
  );
}

function sqlOf(statement: Statement): string {
  if (typeof statement === 'string') return statement;
  return `ALTER TABLE ${statement.table} ADD COLUMN IF NOT EXISTS ${statement.column} ${statement.type}`;
}

const adoptedTypes: Readonly<Record<string, string>> = {
  token_id: 'uuid',
  token_hash: 'text',
  created_at: 'timestamp with time zone',
  expires_at: 'timestamp with time zone',
  revoked_at: 'timestamp with time zone',
  metadata: 'jsonb',
};

/** A table of session tokens that was there before us is taken over as it is, so it must be what it is called. */
async function checkAdoptable(client: Client, place: string): Promise<void> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = to_regclass('auth_tokens') AND attnum > 0 AND NOT attisdropped`,
  );
  if (rows.length === 0) return;
  for (const [column, type] of Object.entries(adoptedTypes)) {
    const found = rows.find(({ name }) => name === column)?.type;
    if (found === undefined) throw notAdoptable(place, `has no column ${column}`);
    const isText = type === 'text' && found === 'character varying';
    if (found !== type && !isText) throw notAdoptable(place, `has a column ${column} of type ${found}, not ${type}`);
  }
  const twice = await client.query(
    'SELECT 1 FROM auth_tokens GROUP BY token_hash HAVING COUNT(token_hash) > 1 LIMIT 1',
  );
  if (twice.rows.length > 0) throw notAdoptable(place, 'holds one token_hash more than once');
}

function notAdoptable(place: string, what: string): StoreError {
  const message = `the database ${place} cannot be taken over: its table auth_tokens ${what}; mend or rename that table, or name another database`;
  return new StoreError('store_unavailable', message);
}
