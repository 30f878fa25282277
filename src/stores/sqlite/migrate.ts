import { rfc3339 } from '../../core/clock.ts';
import { StoreError } from '../../core/store.ts';
import { migrations, MIGRATIONS_TABLE, type Dialect, type Migration, type Statement } from '../migrations.ts';
import type { Connection } from './connection.ts';
import type { Database } from './database.ts';
import { epochOf, timeText } from './time.ts';

const sqlite: Dialect = {
  uuid: 'TEXT',
  json: 'TEXT',
  timestamp: 'TEXT',
  now: `(strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))`,
  comparable: (column) => `unixepoch(${column}, 'subsec')`,
  epochSeconds: 'REAL',
  sequence: 'INTEGER PRIMARY KEY AUTOINCREMENT',
};

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
  for (const statement of statements) execute(connection, statement);
  if (version === 1) adoptTokens(connection, file);
  connection.run(
    'INSERT INTO countersign_migrations (version, name, applied_at) VALUES (?, ?, ?)',
    version,
    name,
    rfc3339(now),
  );
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

/** Times in a table that was there before may be written in other ways; from here on there is one. */
function adoptTokens(connection: Connection, file: string): void {
  const columns = connection
    .all<{ name: string }>(`SELECT name FROM pragma_table_info('auth_tokens')`)
    .map(({ name }) => name);
  const missing = ['token_id', 'token_hash', 'created_at', 'expires_at', 'revoked_at', 'metadata'].filter(
    (column) => !columns.includes(column),
  );
  if (missing.length > 0) {
    throw new StoreError(
      'store_unavailable',
      `the database ${file} has a table auth_tokens without the column ${missing.join(', ')}; rename that table or name another file`,
    );
  }
  for (const column of ['created_at', 'expires_at', 'revoked_at']) {
    const rows = connection.all<{ row: number; time: unknown }>(
      `SELECT rowid AS row, ${column} AS time FROM auth_tokens WHERE ${column} IS NOT NULL AND ${column} NOT GLOB '*T*Z'`,
    );
    for (const { row, time } of rows) {
      const seconds = epochOf(time);
      if (seconds !== null)
        connection.run(`UPDATE auth_tokens SET ${column} = ? WHERE rowid = ?`, timeText(seconds), row);
    }
  }
}
