import type { DecisionFilter } from '../../core/store.ts';
import type { Database } from './database.ts';

/** Some of the decisions that a filter is about. */
export interface SearchPart {
  readonly within: Pick<DecisionFilter, 'since' | 'until' | 'after'>;
  /** The last number, where parts go by number and another follows. */
  readonly through?: number;
}

/** The time, or the number, at which a part ends; and the time of the first row of the next one. */
export const newestTime = `SELECT time FROM countersign_decisions WHERE time BETWEEN ? AND ? ORDER BY time DESC LIMIT 1 OFFSET ?`;
export const timeBefore = `SELECT time FROM countersign_decisions WHERE time < ? ORDER BY time DESC LIMIT 1`;
export const nextNumber = `SELECT sequence FROM countersign_decisions WHERE sequence > ? ORDER BY sequence LIMIT 1 OFFSET ?`;

/** Rows in a part: read in some milliseconds, during which a server on the same file answers nobody. */
const partRows = 2000;

/**
 * What a search without an index of its own reads at a time, in the order in which a list is read: back from the newest, or
 * from a number on. Each part is found when it is asked for.
 */
export function searchParts(database: Database, filter: DecisionFilter): Generator<SearchPart, undefined> {
  const { since = -Infinity, until = Infinity, after } = filter;
  return after === undefined ? backInTime(database, since, until) : upwards(database, after);
}

function* backInTime(database: Database, since: number, until: number): Generator<SearchPart, undefined> {
  for (let end: number | undefined = until; end !== undefined;) {
    const start = timeOf(database, newestTime, since, end, partRows - 1);
    yield { within: { since: start ?? since, until: end } };
    // A part ends between times, never within one, so no row is found twice.
    end = start === undefined ? undefined : timeOf(database, timeBefore, start);
  }
}

function* upwards(database: Database, after: number): Generator<SearchPart, undefined> {
  for (let from: number | undefined = after; from !== undefined;) {
    const through: number | undefined = database.quick.get<{ sequence: number }>(
      nextNumber,
      from,
      partRows - 1,
    )?.sequence;
    yield { within: { after: from }, ...(through !== undefined && { through }) };
    from = through;
  }
}

function timeOf({ quick }: Database, sql: string, ...values: number[]): number | undefined {
  return quick.get<{ time: number }>(sql, ...values)?.time;
}
