import { StoreError } from '../../core/store.ts';

const readOnly = 'is read only; name the primary';
const overdue =
  'does not answer in time; see whether it waits for a lock (pg_stat_activity), or a pooler before it has no connection left';

/** Postgres' error codes (postgresql.org/docs/current/errcodes-appendix.html), whole or by class, in an operator's words. */
const WORDS: readonly (readonly [code: string, words: string])[] = [
  // PgBouncer has this one code for all that it does not like.
  [
    '08P01',
    'is behind a pooler that refuses us; check user, password and database in the URL, and that it has ignore_startup_parameters = statement_timeout',
  ],
  ['26000', 'is behind a pooler of transactions; name the server itself, or let the pooler pool sessions'],
  ['42P05', 'is behind a pooler of transactions; name the server itself, or let the pooler pool sessions'],
  ['28', 'refuses the user or the password; check both in the URL'],
  ['3D000', 'has no database of this name; create it, or name another one'],
  [
    '42501',
    'does not allow the user to do this; make the user the owner of the database and its tables, or grant it what docs/stores.md lists',
  ],
  ['42P01', 'has another schema than this version expects: it is not migrated yet, or was changed by hand'],
  ['42703', 'has another schema than this version expects: it is not migrated yet, or was changed by hand'],
  ['42883', 'has another schema than this version expects: it is not migrated yet, or was changed by hand'],
  ['53100', 'cannot write, the disk is full; make room'],
  ['53300', 'takes no more connections; raise max_connections or use fewer'],
  ['25006', readOnly],
  ['57014', 'took too long and was told to stop'],
  ['57P', 'is starting or going down'],
  ['22', 'cannot hold a value that it was given'],
];

/** What pg says of an answer that did not come in time, on a connection that was there. */
const answerOverdue = 'Query read timeout';

/** What any write would answer. */
export function readOnlyFault(place: string): StoreError {
  return new StoreError('store_unavailable', `Postgres at ${place} ${readOnly}`, { readOnly: true });
}

/** Whether the server itself answered with this error: then the connection is in order, and the statement had no effect. */
export function isAnswer(error: unknown): boolean {
  return sqlState(error) !== null && !/^(08|57P)/.test(sqlState(error) ?? '');
}

/**
 * Whatever was thrown while asking the server, as a StoreError; misuse (a TypeError) stays what it is. Neither the URL nor
 * the server's own message is passed on, since they hold passwords and values; `place` is host, port and database.
 */
export function storeFault(error: unknown, place: string): unknown {
  if (!(error instanceof Error) || error instanceof StoreError || error instanceof TypeError) return error;
  const state = sqlState(error);
  if (state === null) {
    if (error.message === answerOverdue) return new StoreError('store_unavailable', `Postgres at ${place} ${overdue}`);
    const why = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
    return new StoreError('store_unavailable', `Postgres at ${place} cannot be reached (${why})`);
  }
  if (state === '23505') return new StoreError('duplicate', `stored already (Postgres: ${state})`);
  const words = WORDS.find(([code]) => state.startsWith(code))?.[1] ?? 'cannot do what was asked';
  const message = `Postgres at ${place} ${words} (Postgres: ${state})`;
  return new StoreError('store_unavailable', message, { unstorable: state.startsWith('22') });
}

function sqlState(error: unknown): string | null {
  const answered = error instanceof Error && 'severity' in error && 'code' in error;
  return answered && typeof error.code === 'string' ? error.code : null;
}
