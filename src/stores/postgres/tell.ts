/** The channel of NOTIFY; a payload is `MARK TOPIC ID` (own-changes.ts), with the mark `-` of who is not one of us. */
export const channel = 'countersign';

/** As many rows changed by one statement are told one by one; more, and everything is to be read anew. */
const rowsMax = 100;

interface Told {
  readonly table: string;
  readonly topic: string;
  readonly column: string;
  /** Which deleted rows are worth telling of: rows that ended by themselves are not. */
  readonly deleted?: string;
}

const told: readonly Told[] = [
  {
    table: 'auth_tokens',
    topic: 'tokens',
    column: 'token_id',
    deleted: 'changed.expires_at > now() AND changed.revoked_at IS NULL',
  },
  { table: 'countersign_keys', topic: 'keys', column: 'id' },
  { table: 'countersign_revocations', topic: 'revocations', column: 'digest' },
  { table: 'countersign_modes', topic: 'modes', column: 'scope' },
];

/**
 * Our own statements tell of their changes themselves, since only they know what an operator meant (one mode for all, say),
 * and mark the transaction so that the triggers keep silent. Everybody else's changes are told by the triggers.
 */
export const ownTelling = `CREATE OR REPLACE FUNCTION countersign_tell(mark TEXT, topic TEXT, id TEXT) RETURNS TEXT AS $$
BEGIN
  PERFORM set_config('countersign.told', 'yes', true);
  PERFORM pg_notify('${channel}', mark || ' ' || topic || ' ' || id);
  RETURN topic || ' ' || id;
END $$ LANGUAGE plpgsql`;

export const othersTelling = `CREATE OR REPLACE FUNCTION countersign_tell_others() RETURNS TRIGGER AS $$
DECLARE ids TEXT[];
BEGIN
  IF current_setting('countersign.told', true) = 'yes' THEN RETURN NULL; END IF;
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('${channel}', '- resync ');
    RETURN NULL;
  END IF;
  EXECUTE format('SELECT array_agg(id) FROM (SELECT %I::text AS id FROM changed WHERE %s LIMIT ${rowsMax + 1}) AS part',
    TG_ARGV[1], CASE WHEN TG_OP = 'DELETE' THEN TG_ARGV[2] ELSE 'true' END) INTO ids;
  IF cardinality(ids) > ${rowsMax} THEN
    PERFORM pg_notify('${channel}', '- resync ');
  ELSE
    PERFORM pg_notify('${channel}', '- ' || TG_ARGV[0] || ' ' || id) FROM unnest(ids) AS id;
  END IF;
  RETURN NULL;
END $$ LANGUAGE plpgsql`;

function triggers({ table, topic, column, deleted = 'true' }: Told): string[] {
  const call = `EXECUTE FUNCTION countersign_tell_others('${topic}', '${column}', '${deleted}')`;
  const rows = [
    ['INSERT', 'NEW'],
    ['UPDATE', 'NEW'],
    ['DELETE', 'OLD'],
  ] as const;
  return [
    ...rows.map(
      ([verb, which]) => `CREATE TRIGGER countersign_tell_${verb.toLowerCase()} AFTER ${verb} ON ${table}
      REFERENCING ${which} TABLE AS changed FOR EACH STATEMENT ${call}`,
    ),
    `CREATE TRIGGER countersign_tell_truncate AFTER TRUNCATE ON ${table} FOR EACH STATEMENT ${call}`,
  ];
}

/** Part of the contract with databases in use, where it may exist already with a result of its own. */
const cleanup = `DO $do$ BEGIN
  IF to_regprocedure('cleanup_expired_auth_tokens()') IS NULL THEN
    CREATE FUNCTION cleanup_expired_auth_tokens() RETURNS INTEGER AS $$
    DECLARE deleted INTEGER;
    BEGIN
      DELETE FROM auth_tokens WHERE expires_at < now();
      GET DIAGNOSTICS deleted = ROW_COUNT;
      RETURN deleted;
    END $$ LANGUAGE plpgsql;
  END IF;
END $do$`;

/** Everything that Postgres does by itself. */
export const tellingStatements: readonly string[] = [ownTelling, othersTelling, ...told.flatMap(triggers), cleanup];

const ourTables = told.map(({ table }) => `'${table}'::regclass`).join(', ');

/**
 * It runs with the rights of its owner, so that who writes session tokens needs none to the changes. Behind a table of their own, or
 * with words of their own, whoever may run it would have these run with those rights: so it looks at our tables alone, and runs nothing
 * that a trigger says. What it names is looked for where our tables are, and not first in a schema that is called as its owner is.
 */
export const ownTablesTelling: readonly string[] = [
  `CREATE OR REPLACE FUNCTION countersign_tell_others() RETURNS TRIGGER SECURITY DEFINER AS $$
DECLARE ids TEXT[]; worth_telling TEXT := 'true';
BEGIN
  IF TG_RELID <> ALL (ARRAY[${ourTables}]::oid[]) THEN
    RAISE EXCEPTION 'countersign_tell_others is for the tables of countersign alone';
  END IF;
  IF current_setting('countersign.told', true) = 'yes' THEN RETURN NULL; END IF;
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM countersign_note('- resync ');
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' AND TG_RELID = 'auth_tokens'::regclass THEN
    worth_telling := 'changed.expires_at > now() AND changed.revoked_at IS NULL';
  END IF;
  EXECUTE format('SELECT array_agg(id) FROM (SELECT %I::text AS id FROM changed WHERE %s LIMIT ${rowsMax + 1}) AS part',
    TG_ARGV[1], worth_telling) INTO ids;
  IF cardinality(ids) > ${rowsMax} THEN
    PERFORM countersign_note('- resync ');
  ELSE
    PERFORM countersign_note('- ' || TG_ARGV[0] || ' ' || id) FROM unnest(ids) AS id;
  END IF;
  RETURN NULL;
END $$ LANGUAGE plpgsql`,
  `DO $do$ BEGIN
    EXECUTE 'ALTER FUNCTION countersign_tell_others() SET search_path = ' || (SELECT string_agg(DISTINCT relnamespace::regnamespace::text, ', ')
      FROM pg_class WHERE oid IN ('countersign_keys'::regclass, 'auth_tokens'::regclass)) || ', pg_temp';
  END $do$`,
];
