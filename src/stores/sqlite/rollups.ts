import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BucketSeconds, RollupGroup, RollupMeasure, Rollups } from '../../core/rollup.ts';
import { bucketsFor, bucketsKeptFrom, rollupsIn } from '../buckets.ts';
import type { RolledUp } from '../roll-up.ts';
import type { Connection } from './connection.ts';
import type { Database } from './database.ts';

const groupUpsert = `INSERT INTO countersign_rollups (bucket_seconds, start, key, service, route, mode, outcome, reason, caller,
    client_address, count, first_seen, last_seen, request_id)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (bucket_seconds, start, key) DO UPDATE SET count = count + excluded.count,
    first_seen = MIN(first_seen, excluded.first_seen), last_seen = MAX(last_seen, excluded.last_seen),
    request_id = CASE WHEN excluded.last_seen >= last_seen THEN excluded.request_id ELSE request_id END`;

const measureUpsert = `INSERT INTO countersign_measures (bucket_seconds, start, kind, name, slot, count, least, most)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (bucket_seconds, start, kind, name, slot) DO UPDATE SET count = count + excluded.count,
    least = MIN(least, excluded.least), most = MAX(most, excluded.most)`;

const within = 'WHERE bucket_seconds = ? AND start >= ? AND start < ?';
export const rollupGroups = `SELECT start, service, route, mode, outcome, reason, caller, client_address, count, first_seen,
  last_seen, request_id FROM countersign_rollups ${within}`;
export const rollupMeasures = `SELECT start, kind, name, slot, count, least, most FROM countersign_measures ${within}`;
export const oldestMinute = 'SELECT start FROM countersign_rollups WHERE bucket_seconds = 60 ORDER BY start LIMIT 1';

const tables = ['countersign_rollups', 'countersign_measures'] as const;
export const rollupsPrune = (table: (typeof tables)[number]): string =>
  `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE bucket_seconds = ? AND start < ? LIMIT ?)`;

/** Buckets read, and rows deleted, at a time, so that requests never wait long for it. */
const bucketsStep = 4;
const pruneStep = 500;

/** Part of a transaction of the caller's. */
export function addRollups(quick: Connection, { groups, measures }: RolledUp): void {
  for (const group of groups) {
    quick.run(
      groupUpsert,
      group.bucketSeconds,
      group.start,
      group.key,
      group.service,
      group.route,
      group.mode,
      group.outcome,
      group.reason,
      group.caller,
      group.clientAddress,
      group.count,
      group.firstSeen,
      group.lastSeen,
      group.requestId,
    );
  }
  for (const { bucketSeconds, start, kind, name, slot, count, least, most } of measures)
    quick.run(measureUpsert, bucketSeconds, start, kind, name, slot, count, least, most);
}

export async function rollupsBetween(database: Database, asked: number, end: number): Promise<Rollups> {
  const { step } = database;
  const oldest = await step(() => database.quick.get<{ start: number }>(oldestMinute)?.start ?? null);
  const cover = bucketsFor(asked, end, oldest);
  const groups: RollupGroup[] = [];
  const measures: RollupMeasure[] = [];
  for (const { bucketSeconds, from, until: behind } of cover.ranges) {
    const stride = bucketsStep * bucketSeconds;
    // Ranges without an end, or without a beginning, are read in one: nobody steps through all of time.
    const steps = (behind - from) / stride <= 1000 ? stride : behind - from;
    for (let at = from; at < behind; at += steps) {
      const bounds = [bucketSeconds, at, Math.min(at + steps, behind)] as const;
      await step(() => {
        for (const values of database.quick.arrays<GroupValues>(rollupGroups, ...bounds))
          groups.push(groupOf(values, bucketSeconds));
        for (const values of database.quick.arrays<MeasureValues>(rollupMeasures, ...bounds))
          measures.push(measureOf(values, bucketSeconds));
      });
      await nextTurn();
    }
  }
  return rollupsIn(cover, groups, measures);
}

export async function pruneRollups(database: Database, now: number): Promise<void> {
  for (const table of tables) {
    const sql = rollupsPrune(table);
    for (const { bucketSeconds, from } of bucketsKeptFrom(now)) {
      while ((await database.step(() => database.quick.run(sql, bucketSeconds, from, pruneStep))) === pruneStep)
        await nextTurn();
    }
  }
}

/** In the order in which they are selected. */
type GroupValues = readonly [
  start: number,
  service: string,
  route: string,
  mode: RollupGroup['mode'],
  outcome: RollupGroup['outcome'],
  reason: string,
  caller: string,
  clientAddress: string,
  count: number,
  firstSeen: number,
  lastSeen: number,
  requestId: string,
];

function groupOf(values: GroupValues, bucketSeconds: BucketSeconds): RollupGroup {
  const [start, service, route, mode, outcome, reason, caller, clientAddress, count, firstSeen, lastSeen, requestId] =
    values;
  return {
    bucketSeconds,
    start,
    service,
    route,
    mode,
    outcome,
    reason,
    caller,
    clientAddress,
    count,
    firstSeen,
    lastSeen,
    requestId,
  };
}

type MeasureValues = readonly [
  start: number,
  kind: RollupMeasure['kind'],
  name: string,
  slot: number,
  count: number,
  least: number,
  most: number,
];

function measureOf(values: MeasureValues, bucketSeconds: BucketSeconds): RollupMeasure {
  const [start, kind, name, slot, count, least, most] = values;
  return { bucketSeconds, start, kind, name, slot, count, least, most };
}
