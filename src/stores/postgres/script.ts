import { MIGRATIONS_TABLE } from '../migrations.ts';
import { lockNumber, postgresSteps, sqlOf } from './migrate.ts';

/** The whole schema as SQL, for whoever brings it up to date by hand; run again it does nothing. */
export function schemaScript(): string {
  const steps = postgresSteps.map(({ version, name, statements }) => {
    const quote = `$statement_${version}$`;
    const work = statements.map((statement) => `  EXECUTE ${quote}${sqlOf(statement)}${quote};`);
    return [
      `DO $step_${version}$ BEGIN`,
      `  IF EXISTS (SELECT FROM countersign_migrations WHERE version = ${version}) THEN RETURN; END IF;`,
      ...work,
      `  INSERT INTO countersign_migrations (version, name, applied_at)`,
      `    VALUES (${version}, '${name}', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));`,
      `END $step_${version}$;`,
    ].join('\n');
  });
  return [
    `-- The schema of Countersign for Postgres: all steps that are missing, in one transaction.`,
    'BEGIN;',
    `SELECT pg_advisory_xact_lock(${lockNumber});`,
    `${MIGRATIONS_TABLE};`,
    ...steps,
    'COMMIT;\n',
  ].join('\n\n');
}
