import type { Statement } from './database.ts';
import { decisionStatements } from './decisions.ts';
import { eventStatements } from './events.ts';
import { keyStatements } from './keys.ts';
import { limitStatements } from './limits.ts';
import { modeStatements } from './modes.ts';
import { changesSince } from './polled-changes.ts';
import { recordStatements } from './records.ts';
import { appliedVersions, pingNow } from './state.ts';
import { tokenStatements } from './tokens.ts';
import { usageStatements } from './usage.ts';

/**
 * All that a store asks of the database, verb by verb. Where one of them changes, a new step of the schema makes the functions
 * anew: `rpcStatements` move there from the step in which they stand.
 */
const statements: readonly Statement[] = [
  ...keyStatements,
  ...tokenStatements,
  ...modeStatements,
  ...limitStatements,
  ...decisionStatements,
  ...usageStatements,
  ...recordStatements,
  ...eventStatements,
  changesSince,
  appliedVersions,
  pingNow,
];

/** The function that runs a statement; its parameters are p1, p2, … */
export function functionOf({ name }: Statement): string {
  return name.replaceAll('-', '_');
}

/**
 * Makes one function of one statement, with the parameter types that Postgres itself infers. Its result is one JSON value, since
 * PostgREST cuts off lists of rows at a length that the operator chose for others.
 */
const define = `CREATE FUNCTION countersign_define(name TEXT, body TEXT, silent BOOLEAN) RETURNS VOID AS $define$
DECLARE parameters TEXT; code TEXT;
BEGIN
  EXECUTE 'PREPARE countersign_defined AS ' || body;
  SELECT string_agg('p' || place || ' ' || type, ', ' ORDER BY place) INTO parameters
    FROM pg_prepared_statements AS made, unnest(made.parameter_types) WITH ORDINALITY AS given (type, place)
    WHERE made.name = 'countersign_defined';
  DEALLOCATE countersign_defined;
  code := CASE WHEN silent THEN 'BEGIN ' || body || '; RETURN ''[]''::json; END'
    ELSE 'DECLARE one_row RECORD; all_rows JSON[] := ''{}''; BEGIN FOR one_row IN ' || body
      || ' LOOP all_rows := all_rows || to_json(one_row); END LOOP; RETURN array_to_json(all_rows); END' END;
  EXECUTE format('CREATE OR REPLACE FUNCTION %I(%s) RETURNS JSON LANGUAGE plpgsql SET search_path = %s, pg_temp AS %L',
    name, COALESCE(parameters, ''), current_setting('search_path'), code);
END $define$ LANGUAGE plpgsql`;

/**
 * Nobody may call these functions but their owner and, where Supabase's roles are, service_role. Supabase gives what is made in
 * the schema `public` to everybody who knows the publishable key, so the tables are taken from them too. Session tokens of other
 * programs are behind row level security as well, since whoever writes there mints tokens.
 */
const rights = `DO $rights$
DECLARE home OID; thing RECORD; stranger TEXT;
BEGIN
  SELECT relnamespace INTO home FROM pg_class WHERE oid = 'countersign_keys'::regclass;
  FOR thing IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = home AND proname LIKE 'countersign\\_%' LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', thing.name);
  END LOOP;
  IF to_regrole('service_role') IS NULL THEN RETURN; END IF;
  FOR thing IN SELECT 'FUNCTION ' || oid::regprocedure AS name, NULL AS table_name FROM pg_proc
      WHERE pronamespace = home AND proname LIKE 'countersign\\_%'
    UNION ALL SELECT 'TABLE ' || oid::regclass, oid::regclass FROM pg_class
      WHERE relnamespace = home AND relkind = 'r' AND (relname LIKE 'countersign\\_%' OR relname = 'auth_tokens') LOOP
    EXECUTE format('GRANT ALL ON %s TO service_role', thing.name);
    IF thing.table_name IS NOT NULL THEN
      EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', thing.table_name);
    END IF;
    FOR stranger IN SELECT quote_ident(rolname) FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
      IF thing.table_name IS DISTINCT FROM 'auth_tokens'::regclass THEN
        EXECUTE format('REVOKE ALL ON %s FROM %s', thing.name, stranger);
      END IF;
    END LOOP;
  END LOOP;
END $rights$`;

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

export const rpcStatements: readonly string[] = [
  define,
  ...statements.map(
    (statement) =>
      `SELECT countersign_define('${functionOf(statement)}', ${literal(statement.text)}, ${statement.silent === true})`,
  ),
  'DROP FUNCTION countersign_define(TEXT, TEXT, BOOLEAN)',
  rights,
  // Where a PostgREST listens, it learns of the functions by this.
  `NOTIFY pgrst, 'reload schema'`,
];
