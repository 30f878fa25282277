import { rfc3339 } from '../../core/clock.ts';
import { StoreError, type SchemaState, type SchemaStep } from '../../core/store.ts';
import {
  migrations,
  MIGRATIONS_TABLE,
  missingSteps,
  told,
  type Dialect,
  type Migration,
  type Statement,
} from '../migrations.ts';
import { longMillisMax, type Database, type Statement as StatementOfServer } from './database.ts';
import { polledChangesStatements } from './polled-changes.ts';
import { rpcStatements } from './rpc.ts';
import { appliedVersions, tables } from './state.ts';
import { ownTablesTelling, tellingStatements } from './tell.ts';

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
  tellOfOurTables: ownTablesTelling,
  overHttp: polledChangesStatements,
  decisionsOnce: [
    `CREATE TABLE countersign_decision_writers (
      writer TEXT NOT NULL PRIMARY KEY, mark BIGINT NOT NULL, seen_at DOUBLE PRECISION NOT NULL)`,
  ],
  verbsOverHttp: rpcStatements,
};

export const postgresSteps: readonly Migration[] = migrations(postgres);

/** Any number that nobody else uses for an advisory lock. */
export const lockNumber = 0x636f756e;

const countTokens = { name: 'countersign-tokens-count', text: 'SELECT COUNT(*)::float8 AS count FROM auth_tokens' };

type Ask = <Row extends object>(statement: StatementOfServer) => Promise<Row[]>;

export async function schemaOf(database: Database): Promise<SchemaState> {
  const ask: Ask = (statement) => database.query(statement, [], longMillisMax);
  const { made, adoptable, missing } = await standOf(ask, database.place);
  if (!adoptable) return { made, missing: missing.map(told), adopts: null };
  await checkAdoptable(ask, database.place);
  const [rows] = await ask<{ count: number }>(countTokens);
  return { made, missing: missing.map(told), adopts: rows?.count ?? 0 };
}

/**
 * Brings the schema up to date in one transaction, under a lock that only those who migrate take: of several starting at
 * once one does the work, and the others find it done.
 */
export async function migrate(database: Database, now: number): Promise<SchemaStep[]> {
  // Without the lock first: usually nothing is to be done.
  const { missing } = await standOf((statement) => database.query(statement), database.place);
  if (missing.length === 0) return [];
  return database.transaction(async (client) => {
    const ask: Ask = async <Row extends object>({ text }: StatementOfServer) => (await client.query<Row>(text)).rows;
    await client.query(`SELECT pg_advisory_xact_lock(${lockNumber})`);
    const { missing: steps } = await standOf(ask, database.place);
    await client.query(MIGRATIONS_TABLE);
    for (const step of steps) {
      if (step.version === 1) await checkAdoptable(ask, database.place);
      for (const statement of step.statements) await client.query(sqlOf(statement));
      const sql = 'INSERT INTO countersign_migrations (version, name, applied_at) VALUES ($1, $2, $3)';
      await client.query(sql, [step.version, step.name, rfc3339(now)]);
    }
    return steps.map(told);
  });
}

interface Stand {
  readonly made: boolean;
  /** Whether session tokens of somebody else are there. */
  readonly adoptable: boolean;
  readonly missing: readonly Migration[];
}

async function standOf(ask: Ask, place: string): Promise<Stand> {
  const [found] = await ask<{ ours: boolean; tokens: boolean }>(tables);
  const made = found?.ours === true;
  const applied = made ? await ask<{ version: number }>(appliedVersions) : [];
  const versions = applied.map(({ version }) => version);
  const missing = missingSteps(postgresSteps, versions, place);
  return { made, adoptable: !made && found?.tokens === true, missing };
}

export function sqlOf(statement: Statement): string {
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

const tokenColumns = {
  name: 'countersign-token-columns',
  text: `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
    WHERE attrelid = to_regclass('auth_tokens') AND attnum > 0 AND NOT attisdropped`,
};
const hashesTwice = {
  name: 'countersign-hashes-twice',
  text: 'SELECT 1 FROM auth_tokens GROUP BY token_hash HAVING COUNT(token_hash) > 1 LIMIT 1',
};

/** A table of session tokens that was there before us is taken over as it is, so it must be what it is called. */
async function checkAdoptable(ask: Ask, place: string): Promise<void> {
  const rows = await ask<{ name: string; type: string }>(tokenColumns);
  if (rows.length === 0) return;
  for (const [column, type] of Object.entries(adoptedTypes)) {
    const found = rows.find(({ name }) => name === column)?.type;
    if (found === undefined) throw notAdoptable(place, `has no column ${column}`);
    const isText = type === 'text' && found === 'character varying';
    if (found !== type && !isText) throw notAdoptable(place, `has a column ${column} of type ${found}, not ${type}`);
  }
  if ((await ask(hashesTwice)).length > 0) throw notAdoptable(place, 'holds one token_hash more than once');
}

function notAdoptable(place: string, what: string): StoreError {
  const message = `the database ${place} cannot be taken over: its table auth_tokens ${what}; mend or rename that table, or name another database`;
  return new StoreError('store_unavailable', message);
}
