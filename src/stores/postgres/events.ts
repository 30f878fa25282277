import { chainStart, type ChainHead, type EventRow, type EventStore } from '../../core/event.ts';
import { storableText } from '../../core/text/storable-text.ts';
import { longMillisMax, type Queries, type Statement } from './database.ts';

export const eventHead: Statement = {
  name: 'countersign-event-head',
  text: `SELECT sequence::float8 AS sequence, time, hash FROM countersign_events WHERE chain = $1::text
    ORDER BY countersign_events.sequence DESC LIMIT 1`,
};
/** Of two that add the same number at once the second waits for the first, and then adds nothing. */
const append: Statement = {
  name: 'countersign-event-append',
  text: `WITH done AS (
      INSERT INTO countersign_events (chain, sequence, time, type, actor, text, hash)
      SELECT $1::text, $2::float8::bigint, $3::float8, $4::text, $5::text, $6::text, $7::text
      WHERE COALESCE((SELECT sequence || ' ' || hash FROM countersign_events WHERE chain = $1
        ORDER BY sequence DESC LIMIT 1), '0 ${chainStart}') = $8::text
      ON CONFLICT DO NOTHING RETURNING 1)
    SELECT COUNT(*)::int AS count FROM done`,
};
const select = `SELECT chain, sequence::float8 AS sequence, time, type, actor, text, hash FROM countersign_events
  WHERE chain = $1::text AND time BETWEEN COALESCE($2::float8, '-infinity') AND COALESCE($3::float8, 'infinity')
    AND ($4::text IS NULL OR type = $4) AND ($5::text IS NULL OR actor = $5)`;
export const eventsByTime: Statement = {
  name: 'countersign-events-by-time',
  text: `${select} ORDER BY time DESC, countersign_events.sequence DESC LIMIT $6`,
};
export const eventsByNumber: Statement = {
  name: 'countersign-events-by-number',
  text: `${select} AND countersign_events.sequence > $6::float8::bigint ORDER BY countersign_events.sequence LIMIT $7`,
};
const prune: Statement = {
  name: 'countersign-events-prune',
  text: `WITH gone AS (DELETE FROM countersign_events WHERE chain = $1::text AND sequence <= $2::float8::bigint RETURNING 1)
    SELECT COUNT(*)::int AS count FROM gone`,
};

/**
 * The least that a BIGINT holds. The one link that may have it is never found by number, as nothing that a BIGINT holds is before it;
 * nor is one without a number, in a table that was made anew.
 */
const numberLeast = -(2 ** 63);

export const eventStatements: readonly Statement[] = [eventHead, append, eventsByTime, eventsByNumber, prune];

export function postgresEvents(database: Queries): EventStore {
  return {
    async head(chain) {
      const [row] = await database.query<ChainHead>(eventHead, [chain]);
      return row ?? null;
    },
    async append({ chain, sequence, time, type, actor, text, hash }, previous) {
      const values = [chain, sequence, time, type, actor, text, hash, `${sequence - 1} ${previous}`];
      const [row] = await database.query<{ count: number }>(append, values);
      return row?.count === 1;
    },
    async list(chain, { since, until, type, actor, after, limit }) {
      const words = [type, actor].map((text) => (text === undefined ? null : storableText(text)));
      const given = [chain, since ?? null, until ?? null, ...words];
      const asked = Math.max(0, limit);
      const found = await (after === undefined
        ? database.query<EventRow>(eventsByTime, [...given, asked + 1], longMillisMax)
        : database.query<EventRow>(eventsByNumber, [...given, Math.max(numberLeast, after), asked], longMillisMax));
      // What cannot be verified is not shown.
      const rows = found.filter(({ sequence }) => after !== undefined || (sequence !== null && sequence > numberLeast));
      return rows.slice(0, asked).sort((a, b) => a.sequence - b.sequence);
    },
    async prune(chain, through) {
      const [row] = await database.query<{ count: number }>(prune, [chain, through], longMillisMax);
      return row?.count ?? 0;
    },
  };
}
