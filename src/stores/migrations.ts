import { StoreError, type SchemaStep } from '../core/store.ts';

/**
 * The SQL schema, one numbered step after the other, shared by every SQL store. A step that has been released is never
 * changed: what is to be different becomes a new step.
 */
export interface Migration extends SchemaStep {
  readonly statements: readonly Statement[];
}

/** SQL as it is, or a column that is added unless the table has it: adopted tables may. */
export type Statement = string | { readonly table: string; readonly column: string; readonly type: string };

/** Where the databases differ. */
export interface Dialect {
  readonly uuid: string;
  readonly json: string;
  /** Type and current value of the times in auth_tokens; our own tables hold epoch seconds. */
  readonly timestamp: string;
  readonly now: string;
  /** An expression by which those times can be compared and indexed. */
  comparable(column: string): string;
  readonly epochSeconds: string;
  /** Type of a primary key that counts up and is never given out twice. */
  readonly sequence: string;
  /** Makes the database itself tell of tokens that anybody writes, other programs too: they know nothing of our feed. */
  readonly tellOfTokens: readonly string[];
  /** The same, for our own tables and nobody else's. */
  readonly tellOfOurTables: readonly string[];
  /** What those need who reach the database over HTTP: to hear of changes. */
  readonly overHttp: readonly string[];
  /** What it takes to add decisions once although answers are lost. */
  readonly decisionsOnce: readonly string[];
  /** The verbs as functions, for stores that are reached over HTTP: made anew by the last step that changed one of them. */
  readonly verbsOverHttp: readonly string[];
}

export const MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS countersign_migrations (
  version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)`;

export function migrations(dialect: Dialect): readonly Migration[] {
  return [
    { version: 1, name: 'session tokens', statements: sessionTokens(dialect) },
    { version: 2, name: 'keys, revocations and modes', statements: keysAndModes(dialect) },
    { version: 3, name: 'limits, one-time values and decisions', statements: limitsAndDecisions(dialect) },
    { version: 4, name: 'changes', statements: changes(dialect) },
    { version: 5, name: 'changes of tokens by anybody', statements: dialect.tellOfTokens },
    { version: 6, name: 'token expiry, indexed anew', statements: tokenExpiry(dialect) },
    { version: 7, name: 'decisions about strangers', statements: strangers() },
    { version: 8, name: 'rotation and use of keys', statements: rotation(dialect) },
    { version: 9, name: 'records', statements: records(dialect) },
    { version: 10, name: 'tokens by age', statements: tokensByAge(dialect) },
    { version: 11, name: 'changes, for those who poll', statements: dialect.overHttp },
    { version: 12, name: 'roll-ups of decisions', statements: rollups(dialect) },
    { version: 13, name: 'audit events', statements: events(dialect) },
    { version: 14, name: 'decisions of nobody', statements: decisionsOfNobody() },
    { version: 15, name: 'changes of our own tables alone', statements: dialect.tellOfOurTables },
    { version: 16, name: 'decisions once', statements: [...dialect.decisionsOnce, ...dialect.verbsOverHttp] },
  ];
}

/**
 * Those that are still to be taken, in their order: whatever is not among the applied ones, so that one that lands later under
 * a lower number is not left out. Throws where a later version of this program has been at work.
 */
export function missingSteps(steps: readonly Migration[], applied: readonly number[], place: string): Migration[] {
  const newest = steps.at(-1)?.version ?? 0;
  const beyond = Math.max(0, ...applied);
  if (beyond > newest)
    throw new StoreError(
      'store_unavailable',
      `the database ${place} was written by a newer version of countersign (its schema is ${beyond}, this version knows ${newest}); update countersign or name another database`,
    );
  return steps.filter(({ version }) => !applied.includes(version));
}

/** Without its statements, as the store tells of it. */
export function told({ version, name }: Migration): SchemaStep {
  return { version, name };
}

/** The first six columns are a contract with databases in use; a table that is there already is adopted. */
function sessionTokens({ uuid, json, timestamp, now, comparable }: Dialect): Statement[] {
  const table = 'auth_tokens';
  return [
    `CREATE TABLE IF NOT EXISTS auth_tokens (
      token_id ${uuid} NOT NULL PRIMARY KEY, token_hash TEXT NOT NULL,
      created_at ${timestamp} NOT NULL DEFAULT ${now}, expires_at ${timestamp} NOT NULL, revoked_at ${timestamp},
      metadata ${json} DEFAULT '{}')`,
    { table, column: 'scopes', type: `${json} NOT NULL DEFAULT '[]'` },
    { table, column: 'allowed_ips', type: `${json} NOT NULL DEFAULT '[]'` },
    { table, column: 'client_id', type: 'TEXT' },
    { table, column: 'created_by', type: `TEXT NOT NULL DEFAULT ''` },
    'CREATE UNIQUE INDEX IF NOT EXISTS countersign_tokens_hash ON auth_tokens (token_hash)',
    `CREATE INDEX IF NOT EXISTS countersign_tokens_expiry ON auth_tokens (${comparable('expires_at')})`,
  ];
}

/** Indexed before by what older programs on the same file cannot compute: for them the file was broken. */
function tokenExpiry({ comparable }: Dialect): Statement[] {
  return [
    'DROP INDEX countersign_tokens_expiry',
    `CREATE INDEX countersign_tokens_expiry ON auth_tokens (${comparable('expires_at')})`,
  ];
}

/** In the order in which active tokens are listed. */
function tokensByAge({ comparable }: Dialect): Statement[] {
  return [
    `CREATE INDEX countersign_tokens_age ON auth_tokens (${comparable('created_at')} DESC, token_id) WHERE revoked_at IS NULL`,
  ];
}

function strangers(): Statement[] {
  return [
    `CREATE INDEX countersign_decisions_strangers ON countersign_decisions (sequence, outcome, principal)
      WHERE principal = '' AND outcome IN ('deny', 'would_deny')`,
  ];
}

/** `isOfNobody` in SQL. Look-ups repeat this condition word for word. */
export const ofNobody = `principal = ''`;

/** Those of strangers who were let pass too: anybody can make any number of them, and push out all others. */
function decisionsOfNobody(): Statement[] {
  // With the column of the condition, so that counting never goes to the table.
  return [
    'DROP INDEX countersign_decisions_strangers',
    `CREATE INDEX countersign_decisions_nobody ON countersign_decisions (sequence, principal) WHERE ${ofNobody}`,
  ];
}

function keysAndModes({ json, epochSeconds }: Dialect): Statement[] {
  return [
    `CREATE TABLE countersign_keys (
      id TEXT NOT NULL PRIMARY KEY, service TEXT NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL UNIQUE,
      material TEXT, last_four TEXT NOT NULL, imported BOOLEAN NOT NULL,
      scopes ${json} NOT NULL, allowed_ips ${json} NOT NULL,
      created_at ${epochSeconds} NOT NULL, expires_at ${epochSeconds}, revoked_at ${epochSeconds})`,
    // Apart from the keys, because a revocation also covers keys that are in no record of ours.
    `CREATE TABLE countersign_revocations (digest TEXT NOT NULL PRIMARY KEY, revoked_at ${epochSeconds} NOT NULL)`,
    `CREATE TABLE countersign_modes (
      scope TEXT NOT NULL PRIMARY KEY, mode TEXT NOT NULL, set_at ${epochSeconds} NOT NULL, set_by TEXT NOT NULL)`,
  ];
}

/** One key at a time may wait to take another's place, whoever else tries; and when each key was used, by whom, from where. */
function rotation({ epochSeconds }: Dialect): Statement[] {
  const table = 'countersign_keys';
  return [
    { table, column: 'replaces', type: 'TEXT' },
    { table, column: 'pending', type: 'BOOLEAN NOT NULL DEFAULT FALSE' },
    `CREATE UNIQUE INDEX countersign_keys_pending ON countersign_keys (replaces) WHERE pending AND revoked_at IS NULL`,
    `CREATE TABLE countersign_usage (
      credential_id TEXT NOT NULL, caller TEXT NOT NULL, client_address TEXT NOT NULL,
      first_used ${epochSeconds} NOT NULL, last_used ${epochSeconds} NOT NULL, count ${epochSeconds} NOT NULL,
      PRIMARY KEY (credential_id, caller, client_address))`,
    'CREATE INDEX countersign_usage_last ON countersign_usage (credential_id, last_used)',
  ];
}

/** Their values are text: what is read is what was written, to the last digit. */
function records({ epochSeconds }: Dialect): Statement[] {
  return [
    `CREATE TABLE countersign_records (
      kind TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL, revision TEXT NOT NULL, expires_at ${epochSeconds},
      PRIMARY KEY (kind, id))`,
    'CREATE INDEX countersign_records_expiry ON countersign_records (expires_at)',
  ];
}

function limitsAndDecisions({ epochSeconds, sequence }: Dialect): Statement[] {
  return [
    `CREATE TABLE countersign_limits (
      key TEXT NOT NULL PRIMARY KEY, count INTEGER NOT NULL, ends_at ${epochSeconds} NOT NULL)`,
    'CREATE INDEX countersign_limits_end ON countersign_limits (ends_at)',
    `CREATE TABLE countersign_once (key TEXT NOT NULL PRIMARY KEY, expires_at ${epochSeconds} NOT NULL)`,
    'CREATE INDEX countersign_once_expiry ON countersign_once (expires_at)',
    `CREATE TABLE countersign_decisions (
      sequence ${sequence}, time ${epochSeconds} NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
      note TEXT NOT NULL, mode TEXT NOT NULL, service TEXT NOT NULL, route TEXT NOT NULL, method TEXT NOT NULL,
      path TEXT NOT NULL, principal TEXT NOT NULL, claimed TEXT NOT NULL, scheme TEXT NOT NULL,
      credential_id TEXT NOT NULL, client_address TEXT NOT NULL, skew_seconds ${epochSeconds},
      duration_micros ${epochSeconds} NOT NULL, request_id TEXT NOT NULL)`,
    'CREATE INDEX countersign_decisions_time ON countersign_decisions (time)',
  ];
}

/** Keyed by a digest: callers choose part of what makes a group, and an index takes only so long a key. */
function rollups({ epochSeconds }: Dialect): Statement[] {
  return [
    `CREATE TABLE countersign_rollups (
      bucket_seconds INTEGER NOT NULL, start ${epochSeconds} NOT NULL, key TEXT NOT NULL,
      service TEXT NOT NULL, route TEXT NOT NULL, mode TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,
      caller TEXT NOT NULL, client_address TEXT NOT NULL, count ${epochSeconds} NOT NULL,
      first_seen ${epochSeconds} NOT NULL, last_seen ${epochSeconds} NOT NULL, request_id TEXT NOT NULL,
      PRIMARY KEY (bucket_seconds, start, key))`,
    `CREATE TABLE countersign_measures (
      bucket_seconds INTEGER NOT NULL, start ${epochSeconds} NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
      slot INTEGER NOT NULL, count ${epochSeconds} NOT NULL, least ${epochSeconds} NOT NULL, most ${epochSeconds} NOT NULL,
      PRIMARY KEY (bucket_seconds, start, kind, name, slot))`,
  ];
}

/** Looked through by time, which grows with the number within a chain. */
function events({ epochSeconds }: Dialect): Statement[] {
  return [
    `CREATE TABLE countersign_events (
      chain TEXT NOT NULL, sequence BIGINT NOT NULL, time ${epochSeconds} NOT NULL, type TEXT NOT NULL, actor TEXT NOT NULL,
      text TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (chain, sequence))`,
    'CREATE INDEX countersign_events_time ON countersign_events (chain, time, sequence)',
  ];
}

function changes({ sequence }: Dialect): Statement[] {
  return [`CREATE TABLE countersign_changes (sequence ${sequence}, topic TEXT NOT NULL, id TEXT NOT NULL)`];
}
