import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DecisionGroup } from '../../core/rollup.ts';
import type { DecisionFilter, DecisionRow, DecisionStore } from '../../core/store.ts';
import { storable } from '../../core/text/storable-text.ts';
import { ofNobody } from '../migrations.ts';
import { rollUp } from '../roll-up.ts';
import { longMillisMax, type Queries, type Statement, type Value } from './database.ts';
import { decisionBatches } from './decision-batches.ts';
import { pruneRollups, rollupColumns, rollupParts, rollupsBetween, rollupStatements, rollupValues } from './rollups.ts';

type Kept = DecisionRow & { readonly sequence: number };
type Column = readonly [column: string, field: keyof DecisionRow, type: 'text' | 'float8'];

const columns: readonly Column[] = [
  ['time', 'time', 'float8'],
  ['outcome', 'outcome', 'text'],
  ['reason', 'reason', 'text'],
  ['note', 'note', 'text'],
  ['mode', 'mode', 'text'],
  ['service', 'service', 'text'],
  ['route', 'route', 'text'],
  ['method', 'method', 'text'],
  ['path', 'path', 'text'],
  ['principal', 'principal', 'text'],
  ['claimed', 'claimed', 'text'],
  ['scheme', 'scheme', 'text'],
  ['credential_id', 'credentialId', 'text'],
  ['client_address', 'clientAddress', 'text'],
  ['skew_seconds', 'skewSeconds', 'float8'],
  ['duration_micros', 'durationMicros', 'float8'],
  ['request_id', 'requestId', 'text'],
];

/** Any number that nobody else uses for an advisory lock. */
const appendLock = 0x636f756f;

const turn = `(SELECT pg_advisory_xact_lock(${appendLock}) OFFSET 0) AS turn`;

const writerAt = columns.length + rollupColumns + 1;

/**
 * Appending takes turns, so that numbers become visible in their order: who follows by number would otherwise step over a
 * row that was numbered earlier and committed later. All of it is done where the writer's mark is a new one, or nothing.
 */
const append: Statement = {
  name: 'countersign-decisions-append',
  silent: true,
  text: `WITH marked AS (INSERT INTO countersign_decision_writers AS held (writer, mark, seen_at)
      SELECT $${writerAt}::text, $${writerAt + 1}::bigint, EXTRACT(EPOCH FROM now()) FROM ${turn}
      ON CONFLICT (writer) DO UPDATE SET mark = EXCLUDED.mark, seen_at = EXCLUDED.seen_at
        WHERE held.mark < EXCLUDED.mark RETURNING 1),
    ${rollupParts('marked', columns.length + 1)}
    INSERT INTO countersign_decisions (${columns.map(([column]) => column).join(', ')})
    SELECT given.* FROM marked,
    unnest(${columns.map(([, , type], index) => `$${index + 1}::${type}[]`).join(', ')}) AS given`,
};

/** A process that has added nothing for a day asks about no batch any more. */
const pruneWriters: Statement = {
  name: 'countersign-decision-writers-prune',
  silent: true,
  text: `DELETE FROM countersign_decision_writers WHERE writer IN
    (SELECT writer FROM countersign_decision_writers WHERE seen_at < EXTRACT(EPOCH FROM now()) - 86400
      FOR UPDATE SKIP LOCKED)`,
};

const select = `SELECT sequence::float8 AS sequence,
  ${columns.map(([column, field]) => `${column} AS "${field}"`).join(', ')} FROM countersign_decisions`;

const caller = `CASE WHEN principal <> '' THEN principal WHEN claimed <> '' THEN claimed || '?' ELSE '' END`;

export const decisionGroups: Statement = {
  name: 'countersign-decision-groups',
  text: `SELECT g.service, g.route, g.mode, g.outcome, g.reason, g.caller, g."clientAddress", g.count, g."firstSeen",
      g."lastSeen", last.request_id AS "requestId"
    FROM (SELECT service, route, mode, outcome, reason, ${caller} AS caller, client_address AS "clientAddress",
        COUNT(*)::float8 AS count, MIN(time) AS "firstSeen", MAX(time) AS "lastSeen", MAX(sequence) AS "lastSequence"
      FROM countersign_decisions WHERE time BETWEEN $1 AND $2 AND ($3::text IS NULL OR credential_id = $3) GROUP BY 1, 2, 3, 4, 5, 6, 7) AS g
    JOIN countersign_decisions AS last ON last.sequence = g."lastSequence"
    ORDER BY g.count DESC, g."lastSeen" DESC`,
};

export const pruneOld: Statement = {
  name: 'countersign-decisions-prune-old',
  text: `WITH gone AS (DELETE FROM countersign_decisions WHERE sequence IN
      (SELECT sequence FROM countersign_decisions WHERE time < $1 LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1)
    SELECT COUNT(*)::int AS count FROM gone`,
};
export const pruneFirst: Statement = {
  name: 'countersign-decisions-prune-first',
  text: `WITH gone AS (DELETE FROM countersign_decisions WHERE sequence IN
      (SELECT sequence FROM countersign_decisions WHERE sequence <= $1 ORDER BY sequence LIMIT $2
        FOR UPDATE SKIP LOCKED) RETURNING 1)
    SELECT COUNT(*)::int AS count FROM gone`,
};
export const firstBeyond: Statement = {
  name: 'countersign-decisions-first-beyond',
  text: 'SELECT sequence::float8 AS sequence FROM countersign_decisions ORDER BY sequence DESC OFFSET $1 LIMIT 1',
};

export const strangersBeyond: Statement = {
  name: 'countersign-decisions-strangers-beyond',
  text: `SELECT sequence::float8 AS sequence FROM countersign_decisions WHERE ${ofNobody}
    ORDER BY sequence DESC OFFSET $1 LIMIT 1`,
};
export const pruneStrangers: Statement = {
  name: 'countersign-decisions-prune-strangers',
  text: `WITH gone AS (DELETE FROM countersign_decisions WHERE sequence IN
      (SELECT sequence FROM countersign_decisions WHERE ${ofNobody} AND sequence <= $1 ORDER BY sequence LIMIT $2
        FOR UPDATE SKIP LOCKED) RETURNING 1)
    SELECT COUNT(*)::int AS count FROM gone`,
};

/** Rows deleted at a time, so that others never wait long for it. */
const pruneStep = 5000;

export function postgresDecisions(database: Queries, listed: Listing = listing): DecisionStore {
  const rolled = rollUp();
  const batches = decisionBatches({
    values: (rows, measures) => [
      ...columns.map(([, field]) => rows.map((row) => storable(row[field]))),
      ...rollupValues(rolled(rows, measures)),
    ],
    send: (values, writer, mark) => database.query(append, [...values, writer, mark], longMillisMax),
  });

  async function inSteps(statement: Statement, bound: number): Promise<number> {
    for (let deleted = 0; ; await nextTurn()) {
      const [row] = await database.query<{ count: number }>(statement, [bound, pruneStep], longMillisMax);
      deleted += row?.count ?? 0;
      if (!row || row.count < pruneStep) return deleted;
    }
  }

  /** Removes the rows behind the newest `kept` of those that `beyond` finds. */
  async function beyondNewest(beyond: Statement, removal: Statement, kept: number): Promise<number> {
    const [first] = await database.query<{ sequence: number }>(beyond, [kept], longMillisMax);
    return first ? inSteps(removal, first.sequence) : 0;
  }

  return {
    rowsMax: Infinity,
    append: (rows, measures = []) => batches.once(rows, measures),
    async list(filter) {
      const { statement, values } = listed(filter);
      const rows = await database.query<Kept>(statement, values, longMillisMax);
      return rows.sort((a, b) => a.sequence - b.sequence);
    },
    groups: (since, until, credentialId) =>
      database.query<DecisionGroup>(decisionGroups, [since, until, credentialId ?? null], longMillisMax),
    async prune(before, keep) {
      await database.query(pruneWriters, [], longMillisMax);
      const old = await inSteps(pruneOld, before);
      const kept = Math.max(0, keep);
      const strangers = await beyondNewest(strangersBeyond, pruneStrangers, Math.floor(kept / 2));
      return old + strangers + (await beyondNewest(firstBeyond, pruneFirst, kept));
    },
    rollups: (since, until) => rollupsBetween(database, since, until),
    pruneRollups: (now) => pruneRollups(database, now),
  };
}

interface Asking {
  readonly statement: Statement;
  readonly values: Value[];
}

type Listing = (filter: DecisionFilter) => Asking;

/** Only the conditions that are given, so that each combination gets the plan that suits it, and a name of its own. */
export function listing({
  since,
  until,
  outcome,
  service,
  route,
  reason,
  caller: who,
  requestId,
  after,
  limit,
}: DecisionFilter): Asking {
  const conditions: [string, string | number | undefined][] = [
    ['time >= ', since],
    ['time <= ', until],
    ['outcome = ', outcome],
    ['service = ', service],
    ['route = ', route],
    ['reason = ', reason],
    [`${caller} = `, who],
    ['request_id = ', requestId],
    ['sequence > ', after === -Infinity ? undefined : after],
  ];
  const given = conditions.filter((condition): condition is [string, string | number] => condition[1] !== undefined);
  const where = given.map(([sql], index) => `${sql}$${index + 1}`).join(' AND ');
  // By time, so that a search since a time ends there, however few rows match.
  const order = after === undefined ? 'time DESC, sequence DESC' : 'sequence';
  const mask = conditions.map(([, value]) => (value === undefined ? '0' : '1')).join('');
  return {
    statement: {
      name: `countersign-decisions-${mask}${after === -Infinity ? '-from-the-first' : ''}`,
      text: `${select} ${where === '' ? '' : `WHERE ${where}`} ORDER BY ${order} LIMIT $${given.length + 1}`,
    },
    values: [...given.map(([, value]) => storable(value)), Math.max(0, limit)],
  };
}

const everyCondition = `${select} WHERE time BETWEEN COALESCE($1::float8, '-infinity') AND COALESCE($2::float8, 'infinity')
  AND ($3::text IS NULL OR outcome = $3) AND ($4::text IS NULL OR service = $4) AND ($5::text IS NULL OR ${caller} = $5)
  AND sequence > COALESCE($6::float8::bigint, -1) AND ($7::text IS NULL OR route = $7)
  AND ($8::text IS NULL OR reason = $8) ORDER BY`;
const listByTime: Statement = {
  name: 'countersign-decisions-found-by-time',
  text: `${everyCondition} time DESC, sequence DESC LIMIT $9`,
};
const listByNumber: Statement = {
  name: 'countersign-decisions-found-by-number',
  text: `${everyCondition} sequence LIMIT $9`,
};

/** The same by one of two statements, for where each must have been made beforehand; neither knows of request ids. */
export function listingOfTwo(filter: Omit<DecisionFilter, 'requestId'>): Asking {
  const { since, until, outcome, service, route, reason, caller: who, after, limit } = filter;
  const least = after === undefined ? after : Math.max(-(2 ** 63), after);
  const given = [since, until, outcome, service, who, least, route, reason].map((value) => storable(value ?? null));
  return { statement: after === undefined ? listByTime : listByNumber, values: [...given, Math.max(0, limit)] };
}

export const decisionStatements: readonly Statement[] = [
  append,
  pruneWriters,
  ...rollupStatements,
  decisionGroups,
  pruneOld,
  pruneFirst,
  firstBeyond,
  strangersBeyond,
  pruneStrangers,
  listByTime,
  listByNumber,
];
