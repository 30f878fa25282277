import { rfc3339 } from '../../core/clock.ts';
import { StoreError } from '../../core/store.ts';
import { migrations, MIGRATIONS_TABLE, type Dialect, type Migration, type Statement } from '../migrations.ts';
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
};

const timeColumns = ['created_at', 'expires_at', 'revoked_at'];

/**
 * Brings the schema up to date, one transaction for each step. Each asks anew where the schema stands once it holds the
 * write lock, so that several processes starting at once do every step exactly once between them.
 */
export function migrate({ durable, file }: Database, now: number): void {
  const steps = migrations(sqlite);
  const newest = steps.at(-1)?.version ?? 0;
  for (;;) {
    // Outside a transaction first: usually nothing is to be done, and then no lock is taken.
    if (checkedVersion(durable, file, newest) === newest) return;
    durable.transaction(() => {
      const next = steps.find(({ version }) => version > checkedVersion(durable, file, newest));
      if (next) apply(durable, file, next, now);
    });
  }
}

function checkedVersion(connection: Connection, file: string, newest: number): number {
  if (!connection.get(`SELECT 1 FROM sqlite_schema WHERE name = 'countersign_migrations'`)) return 0;
  const row = connection.get<{ version: number | null }>('SELECT MAX(version) AS version FROM countersign_migrations');
  const version = row?.version ?? 0;
  if (version <= newest) return version;
  throw new StoreError(
    'store_unavailable',
    `the database ${file} was written by a newer version of countersign (its schema is ${version}, this version knows ${newest}); update countersign or name another file`,
  );
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
