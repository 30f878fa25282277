import type { Statement } from './database.ts';

/** What is asked about the database as a whole. */
export const pingNow: Statement = { name: 'countersign-ping', text: 'SELECT 1 AS one' };

/** A standby, or a database whose transactions only read. */
export const isReadOnly: Statement = {
  name: 'countersign-read-only',
  text: `SELECT current_setting('transaction_read_only') = 'on' AS read_only`,
};

/** By the server's clock, epoch seconds. */
export const timeNow: Statement = {
  name: 'countersign-time',
  text: 'SELECT EXTRACT(EPOCH FROM clock_timestamp())::float8 AS now',
};

export const tables: Statement = {
  name: 'countersign-tables',
  text: `SELECT to_regclass('countersign_migrations') IS NOT NULL AS ours, to_regclass('auth_tokens') IS NOT NULL AS tokens`,
};
export const appliedVersions: Statement = {
  name: 'countersign-versions',
  text: 'SELECT version FROM countersign_migrations',
};
