import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  chainStart,
  type Chain,
  type ChainHead,
  type EventFilter,
  type EventRow,
  type EventStore,
} from '../../core/event.ts';
import type { Connection } from './connection.ts';
import type { Database } from './database.ts';
import { behindNumber, numberOf } from './number.ts';

const number = numberOf('countersign_events.sequence');
export const eventHead = `SELECT ${number} AS sequence, time, hash FROM countersign_events WHERE chain = ?
  ORDER BY countersign_events.sequence DESC LIMIT 1`;
const append = `INSERT INTO countersign_events (chain, sequence, time, type, actor, text, hash) SELECT ?, ?, ?, ?, ?, ?, ?
  WHERE COALESCE((SELECT sequence || ' ' || hash FROM countersign_events WHERE chain = ? ORDER BY sequence DESC LIMIT 1),
    '0 ${chainStart}') = ?`;
export const eventsPrune = `DELETE FROM countersign_events WHERE rowid IN
  (SELECT rowid FROM countersign_events WHERE chain = ? AND sequence <= ? ORDER BY sequence LIMIT ?)`;

/** Links deleted at a time, so that requests never wait long for it. */
const pruneStep = 500;

export function sqliteEvents(database: Database): EventStore {
  const { step } = database;
  /** What somebody did must not be lost; the seals of decisions are as durable as the decisions. */
  const connection = (chain: Chain): Connection => (chain === 'events' ? database.durable : database.quick);
  return {
    head: (chain) => step(() => copyOf(connection(chain).get<ChainHead>(eventHead, chain))),
    append: ({ chain, sequence, time, type, actor, text, hash }, previous) =>
      step(() => {
        database.checkInPlace();
        const end = `${sequence - 1} ${previous}`;
        return connection(chain).run(append, chain, sequence, time, type, actor, text, hash, chain, end) === 1;
      }),
    list: (chain, filter) =>
      step(() => {
        const { sql, values } = eventListing(chain, filter);
        const rows = connection(chain).all<EventRow>(sql, ...values);
        return rows.map((row) => ({ ...row })).sort((a, b) => a.sequence - b.sequence);
      }),
    async prune(chain, through) {
      for (let deleted = 0; ; await nextTurn()) {
        const count = await step(() => connection(chain).run(eventsPrune, chain, through, pruneStep));
        deleted += count;
        if (count < pruneStep) return deleted;
      }
    },
  };
}

function copyOf(head: ChainHead | null): ChainHead | null {
  return head && { ...head };
}

/** Only the conditions that are given, so that each combination gets the plan that suits it. */
export function eventListing(chain: Chain, { since, until, type, actor, after, limit }: EventFilter) {
  const conditions: [string, string | number | undefined][] = [
    ['chain = ?', chain],
    ['time >= ?', since],
    ['time <= ?', until],
    ['type = ?', type],
    ['actor = ?', actor],
    ['sequence > ?', behindNumber(after)],
  ];
  const given = conditions.filter((condition): condition is [string, string | number] => condition[1] !== undefined);
  const order = after === undefined ? 'time DESC, countersign_events.sequence DESC' : 'countersign_events.sequence';
  return {
    sql: `SELECT chain, ${number} AS sequence, time, type, actor, text, hash FROM countersign_events
      WHERE ${given.map(([sql]) => sql).join(' AND ')} ORDER BY ${order} LIMIT ?`,
    values: [...given.map(([, value]) => value), Math.max(0, limit)],
  };
}
