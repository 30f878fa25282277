import type { RollupGroup, RollupMeasure, Rollups } from '../../core/rollup.ts';
import { storable, storableText } from '../../core/text/storable-text.ts';
import { bucketsFor, bucketsKeptFrom, rollupsIn } from '../buckets.ts';
import { measureTogether, type GroupToAdd, type RolledUp } from '../roll-up.ts';
import { longMillisMax, type Queries, type Statement, type Value } from './database.ts';

type Type = 'text' | 'float8' | 'int';

const groupColumns: readonly (readonly [string, keyof GroupToAdd, Type])[] = [
  ['bucket_seconds', 'bucketSeconds', 'int'],
  ['start', 'start', 'float8'],
  ['key', 'key', 'text'],
  ['service', 'service', 'text'],
  ['route', 'route', 'text'],
  ['mode', 'mode', 'text'],
  ['outcome', 'outcome', 'text'],
  ['reason', 'reason', 'text'],
  ['caller', 'caller', 'text'],
  ['client_address', 'clientAddress', 'text'],
  ['count', 'count', 'float8'],
  ['first_seen', 'firstSeen', 'float8'],
  ['last_seen', 'lastSeen', 'float8'],
  ['request_id', 'requestId', 'text'],
];

const measureColumns: readonly (readonly [string, keyof RollupMeasure, Type])[] = [
  ['bucket_seconds', 'bucketSeconds', 'int'],
  ['start', 'start', 'float8'],
  ['kind', 'kind', 'text'],
  ['name', 'name', 'text'],
  ['slot', 'slot', 'int'],
  ['count', 'count', 'float8'],
  ['least', 'least', 'float8'],
  ['most', 'most', 'float8'],
];

const namesOf = (columns: readonly (readonly [string, string, Type])[]): string =>
  columns.map(([column]) => column).join(', ');

/** How many parameters the parts have. */
export const rollupColumns = groupColumns.length + measureColumns.length;

/**
 * Parts of the statement that appends rows; their parameters begin at `$first`. `turn` is one row, had once the appenders' lock is: each
 * part waits for it before it touches a row, since the server may begin with any of them, and two could else wait for each other.
 */
export function rollupParts(turn: string, first: number): string {
  const given = (columns: readonly (readonly [string, string, Type])[], from: number): string =>
    `SELECT given.* FROM ${turn}, unnest(${columns.map(([, , type], at) => `$${from + at}::${type}[]`).join(', ')}) AS given`;
  return `grouped AS (INSERT INTO countersign_rollups AS held (${namesOf(groupColumns)})
      ${given(groupColumns, first)}
      ON CONFLICT (bucket_seconds, start, key) DO UPDATE SET count = held.count + EXCLUDED.count,
        first_seen = LEAST(held.first_seen, EXCLUDED.first_seen), last_seen = GREATEST(held.last_seen, EXCLUDED.last_seen),
        request_id = CASE WHEN EXCLUDED.last_seen >= held.last_seen THEN EXCLUDED.request_id ELSE held.request_id END),
    measured AS (INSERT INTO countersign_measures AS held (${namesOf(measureColumns)})
      ${given(measureColumns, first + groupColumns.length)}
      ON CONFLICT (bucket_seconds, start, kind, name, slot) DO UPDATE SET count = held.count + EXCLUDED.count,
        least = LEAST(held.least, EXCLUDED.least), most = GREATEST(held.most, EXCLUDED.most))`;
}

/** Two measures whose names are stored as the same text become one: a row may be touched only once in one statement. */
export function rollupValues({ groups, measures }: RolledUp): Value[] {
  const merged = new Map<string, RollupMeasure>();
  for (const given of measures) {
    const measure = { ...given, name: storableText(given.name) };
    const key = `${measure.bucketSeconds} ${measure.start} ${measure.kind} ${measure.slot} ${measure.name}`;
    const before = merged.get(key);
    merged.set(key, before ? measureTogether(before, measure) : measure);
  }
  return [
    ...groupColumns.map(([, field]) => groups.map((group) => storable(group[field]))),
    ...measureColumns.map(([, field]) => [...merged.values()].map((measure) => measure[field])),
  ];
}

const within = 'WHERE bucket_seconds = $1 AND start >= $2 AND start < $3';
export const rollupGroups: Statement = {
  name: 'countersign-rollup-groups',
  text: `SELECT bucket_seconds AS "bucketSeconds", start, service, route, mode, outcome, reason, caller,
    client_address AS "clientAddress", count, first_seen AS "firstSeen", last_seen AS "lastSeen",
    request_id AS "requestId" FROM countersign_rollups ${within} ORDER BY start`,
};
export const rollupMeasures: Statement = {
  name: 'countersign-rollup-measures',
  text: `SELECT bucket_seconds AS "bucketSeconds", start, kind, name, slot, count, least, most
    FROM countersign_measures ${within} ORDER BY start`,
};
export const oldestMinute: Statement = {
  name: 'countersign-rollup-oldest',
  text: 'SELECT start FROM countersign_rollups WHERE bucket_seconds = 60 ORDER BY start LIMIT 1',
};
const pruneGroups: Statement = {
  name: 'countersign-rollups-prune',
  silent: true,
  text: 'DELETE FROM countersign_rollups WHERE bucket_seconds = $1 AND start < $2',
};
const pruneMeasures: Statement = {
  name: 'countersign-measures-prune',
  silent: true,
  text: 'DELETE FROM countersign_measures WHERE bucket_seconds = $1 AND start < $2',
};
export const rollupPrunes: readonly Statement[] = [pruneGroups, pruneMeasures];
export const rollupStatements: readonly Statement[] = [rollupGroups, rollupMeasures, oldestMinute, ...rollupPrunes];

export async function rollupsBetween(database: Queries, asked: number, end: number): Promise<Rollups> {
  const [oldest] = await database.query<{ start: number }>(oldestMinute, []);
  const cover = bucketsFor(asked, end, oldest?.start ?? null);
  const groups: RollupGroup[] = [];
  const measures: RollupMeasure[] = [];
  for (const { bucketSeconds, from, until: behind } of cover.ranges) {
    const bounds = [bucketSeconds, from, behind];
    for (const group of await database.query<RollupGroup>(rollupGroups, bounds, longMillisMax)) groups.push(group);
    for (const measure of await database.query<RollupMeasure>(rollupMeasures, bounds, longMillisMax))
      measures.push(measure);
  }
  return rollupsIn(cover, groups, measures);
}

export async function pruneRollups(database: Queries, now: number): Promise<void> {
  for (const { bucketSeconds, from } of bucketsKeptFrom(now))
    for (const statement of rollupPrunes) await database.query(statement, [bucketSeconds, from], longMillisMax);
}
