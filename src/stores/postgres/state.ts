import type { Statement } from './database.ts';

/** What is asked about the database as a whole. */
export const pingNow: Statement = { name: 'countersign-ping', text: 'SELECT 1 AS one' };

/** A standby, or a database whose transactions only read. */
export const isReadOnly: Statement = {
  name: 'countersign-read-only',
  text: `SELECT current_setting('transaction_read_only') = 'on' AS read_only`,
};

export interface DatabaseState {
  /** By the server's clock, epoch seconds. */
  readonly now: number;
  readonly name: string;
  readonly encoding: string;
  /** Below 1 numbers are shown with less than all of their digits. */
  readonly floatDigits: number;
}

export const databaseState: Statement = {
  name: 'countersign-state',
  text: `SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8 AS now, current_database() AS name,
    current_setting('server_encoding') AS encoding, current_setting('extra_float_digits')::int AS "floatDigits"`,
};

/** SQL_ASCII takes every text as it comes. */
const encodingsOfAllText: ReadonlySet<string> = new Set(['UTF8', 'SQL_ASCII']);

/** What is to be said of a database that does not keep, or show, all that it is given. */
export function settingWarnings({ name, encoding, floatDigits }: DatabaseState): string[] {
  const warnings: string[] = [];
  if (!encodingsOfAllText.has(encoding))
    warnings.push(
      `the database ${name} is in ${encoding}, which lacks most letters: a decision or an audit event with one of them cannot be kept, and is left out; make one by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0`,
    );
  if (floatDigits < 1)
    warnings.push(
      `the database ${name} has extra_float_digits = ${floatDigits}, so times are read with too few digits and "countersign audit verify" takes decisions for changed: set it to 1 (ALTER DATABASE or ALTER ROLE … SET extra_float_digits = 1), and start again`,
    );
  return warnings;
}

export const tables: Statement = {
  name: 'countersign-tables',
  text: `SELECT to_regclass('countersign_migrations') IS NOT NULL AS ours, to_regclass('auth_tokens') IS NOT NULL AS tokens`,
};
export const appliedVersions: Statement = {
  name: 'countersign-versions',
  text: 'SELECT version FROM countersign_migrations',
};
