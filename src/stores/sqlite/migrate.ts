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
import { tellOfTokens } from './changes.ts';
import type { Connection } from './connection.ts';
import type { Database } from './database.ts';
import { comparable, epochOf, timeText } from './time.ts';

const sqlite: Dialect = {
  uuid: 'TEXT',
  json: 'TEXT',
  timestamp: 'TEXT',
  now: `(strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))`,
  comparable,
  epochSeconds: 'REAL',
  sequence: 'INTEGER PRIMARY KEY AUTOINCREMENT',
  tellOfTokens,
  tellOfOurTables: [],
  overHttp: [],
  // Within one process no answer is lost.
  decisionsOnce: [],
  verbsOverHttp: [],
};

const timeColumns = ['created_at', 'expires_at', 'revoked_at'];

export function schemaOf(database: Database): SchemaState {
  // Looking must not make the file.
  if (!database.exists()) return { made: false, missing: migrations(sqlite).map(told), adopts: null };
  const { durable, file } = database;
  // Both in one look: another process may make them between two, and then its own tables would be taken for a stranger's.
  const tables = tablesIn(durable);
  const made = tables.has('countersign_migrations');
  const missing = missingIn(durable, file, made).map(told);
  if (made || !tables.has('auth_tokens')) return { made, missing, adopts: null };
  checkAdoptable(durable, file);
  return {
    made,
    missing,
    adopts: durable.get<{ count: number }>('SELECT COUNT(*) AS count FROM auth_tokens')?.count ?? 0,
  };
}

/**
 * Brings the schema up to date in one transaction, which asks anew where the schema stands once it holds the write lock: of
 * several processes starting at once one does the work, and the others find it done.
 */
export function migrate({ durable, file }: Database, now: number): SchemaStep[] {
  // Outside a transaction first: usually nothing is to be done, and then no lock is taken.
  if (missingIn(durable, file).length === 0) return [];
  return durable.transaction(() => {
    const steps = missingIn(durable, file);
    for (const step of steps) apply(durable, file, step, now);
    return steps.map(told);
  });
}

function missingIn(
  connection: Connection,
  file: string,
  made = tablesIn(connection).has('countersign_migrations'),
): Migration[] {
  const applied = made ? connection.all<{ version: number }>('SELECT version FROM countersign_migrations') : [];
  const versions = applied.map(({ version }) => version);
  return missingSteps(migrations(sqlite), versions, file);
}

/** Of those that tell where the schema stands. */
function tablesIn(connection: Connection): ReadonlySet<string> {
  const sql = `SELECT name FROM sqlite_schema WHERE name IN ('countersign_migrations', 'auth_tokens')`;
  return new Set(connection.all<{ name: string }>(sql).map(({ name }) => name));
}

function apply(connection: Connection, file: string, { version, name, statements }: Migration, now: number): void {
  connection.run(MIGRATIONS_TABLE);
  if (version === 1) checkAdoptable(connection, file);
  for (const statement of statements) execute(connection, statement);
  if (version === 1) rewriteTimes(connection);
  const sql = 'INSERT INTO countersign_migrations (version, name, applied_at) VALUES (?, ?, ?)';
  connection.run(sql, version, name, rfc3339(now));
}

function execute(connection: Connection, statement: Statement): void {
  if (typeof statement === 'string') {
    connection.run(statement);
    return;
  }
  const { table, column, type } = statement;
  if (connection.get('SELECT 1 FROM pragma_table_info(?) WHERE name = ?', table, column)) return;
  connection.run(`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`);
}

/** A table of session tokens that was there before us is taken over as it is, so it must be what it is called. */
function checkAdoptable(connection: Connection, file: string): void {
  const columns = connection.all<{ name: string }>(`SELECT name FROM pragma_table_info('auth_tokens')`);
  if (columns.length === 0) return;
  const missing = ['token_id', 'token_hash', ...timeColumns, 'metadata'].filter(
    (column) => !columns.some(({ name }) => name === column),
  );
  if (missing.length > 0) throw notAdoptable(file, `has no column ${missing.join(', ')}`);
  if (connection.get('SELECT 1 FROM auth_tokens GROUP BY token_hash HAVING COUNT(token_hash) > 1'))
    throw notAdoptable(file, 'holds one token_hash more than once');
}

function notAdoptable(file: string, what: string): StoreError {
  const message = `the database ${file} cannot be taken over: its table auth_tokens ${what}; mend or rename that table, or name another file`;
  return new StoreError('store_unavailable', message);
}

/** Times in an adopted table may be written in other ways; from here on there is one, which can be compared. */
function rewriteTimes(connection: Connection): void {
  for (const column of timeColumns) {
    const rows = connection.all<{ id: string; time: unknown }>(
      `SELECT token_id AS id, ${column} AS time FROM auth_tokens WHERE ${column} NOT GLOB '*T*Z'`,
    );
    for (const { id, time } of rows) {
      const seconds = epochOf(time);
      if (seconds !== null)
        connection.run(`UPDATE auth_tokens SET ${column} = ? WHERE token_id = ?`, timeText(seconds), id);
    }
  }
}
