import type { Statement } from './database.ts';
import { channel, othersTelling, ownTelling } from './tell.ts';

/**
 * Changes for those who can only ask (over HTTP): what is told by NOTIFY is written down too, with the number of its
 * transaction. Rows are kept for an hour.
 */
export const changesKeptSeconds = 3600;

/** More at once, and everything is read anew. */
export const changesReadMax = 1000;

/**
 * What transactions from number $1 on have written down, and the number below which all of them have ended: asking from there the
 * next time misses nothing, in whatever order they commit. One row without a change when there is none.
 */
export const changesSince: Statement = {
  name: 'countersign-changes-since',
  text: `SELECT txid_snapshot_xmin(txid_current_snapshot())::float8 AS "endedBelow", sequence::float8 AS sequence,
      xact::float8 AS xact, mark || ' ' || topic || ' ' || id AS told
    FROM (SELECT) AS once LEFT JOIN LATERAL (
      SELECT * FROM countersign_changes WHERE xact >= $1::float8::bigint ORDER BY sequence LIMIT ${changesReadMax + 1}) AS change ON TRUE
    ORDER BY sequence`,
};

/** A payload as NOTIFY carries it: MARK TOPIC ID. */
const note = `CREATE FUNCTION countersign_note(payload TEXT) RETURNS VOID AS $$
BEGIN
  DELETE FROM countersign_changes WHERE sequence IN (
    SELECT sequence FROM countersign_changes WHERE at < clock_timestamp() - interval '${changesKeptSeconds} seconds'
    LIMIT 100 FOR UPDATE SKIP LOCKED);
  INSERT INTO countersign_changes (mark, topic, id)
    SELECT part[1], part[2], part[3] FROM regexp_matches(payload, '^(\\S+) (\\S+) (.*)$') AS part;
  PERFORM pg_notify('${channel}', payload);
END $$ LANGUAGE plpgsql`;

const noted = (telling: string): string => telling.replaceAll(`pg_notify('${channel}', `, 'countersign_note(');

/** Whoever writes session tokens needs no right to the changes: their trigger has it. */
const definer = ['countersign_tell_others()'].flatMap((name) => [
  `ALTER FUNCTION ${name} SECURITY DEFINER`,
  `DO $do$ BEGIN
    EXECUTE 'ALTER FUNCTION ${name} SET search_path = ' || current_setting('search_path') || ', pg_temp';
  END $do$`,
]);

export const polledChangesStatements: readonly string[] = [
  `ALTER TABLE countersign_changes ADD COLUMN mark TEXT NOT NULL, ADD COLUMN xact BIGINT NOT NULL DEFAULT txid_current(),
    ADD COLUMN at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()`,
  'CREATE INDEX countersign_changes_xact ON countersign_changes (xact)',
  'CREATE INDEX countersign_changes_at ON countersign_changes (at)',
  note,
  noted(ownTelling),
  noted(othersTelling),
  ...definer,
];
