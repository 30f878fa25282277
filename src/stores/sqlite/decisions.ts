import { setImmediate as nextTurn } from 'node:timers/promises';
import { decisionValues } from '../../core/decision-values.ts';
import type { DecisionFilter, DecisionRow, DecisionStore } from '../../core/store.ts';
import { groupMerger, type GroupMerger, type GroupPart } from '../groups.ts';
import { ofNobody } from '../migrations.ts';
import { rollUp } from '../roll-up.ts';
import type { Database } from './database.ts';
import { behindNumber, numberOf } from './number.ts';
import { addRollups, pruneRollups, rollupsBetween } from './rollups.ts';
import { searchParts } from './search-parts.ts';

type Kept = DecisionRow & { readonly sequence: number };

const insert = `INSERT INTO countersign_decisions (time, outcome, reason, note, mode, service, route, method, path, principal,
  claimed, scheme, credential_id, client_address, skew_seconds, duration_micros, request_id)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const number = numberOf('countersign_decisions.sequence');
const select = `SELECT ${number} AS sequence, time, outcome, reason, note, mode, service, route, method, path, principal, claimed, scheme,
  credential_id AS credentialId, client_address AS clientAddress, skew_seconds AS skewSeconds,
  duration_micros AS durationMicros, request_id AS requestId FROM countersign_decisions`;

const caller = `CASE WHEN principal <> '' THEN principal WHEN claimed <> '' THEN claimed || '?' ELSE '' END`;

export const decisionGroups = `SELECT g.*, last.request_id AS requestId
  FROM (SELECT service, route, mode, outcome, reason, ${caller} AS caller, client_address AS clientAddress,
      COUNT(*) AS count, MIN(time) AS firstSeen, MAX(time) AS lastSeen, MAX(sequence) AS lastSequence
    FROM countersign_decisions WHERE time BETWEEN ? AND ? AND (? IS NULL OR credential_id = ?) GROUP BY 1, 2, 3, 4, 5, 6, 7) AS g
  JOIN countersign_decisions AS last ON last.sequence = g.lastSequence`;
/** The time up to which a step of grouping goes, and that of the first row behind it. */
export const groupsBound = `SELECT time FROM countersign_decisions WHERE time BETWEEN ? AND ? ORDER BY time LIMIT 1 OFFSET ?`;
export const groupsNext = `SELECT time FROM countersign_decisions WHERE time > ? ORDER BY time LIMIT 1`;

export const pruneOld = `DELETE FROM countersign_decisions WHERE sequence IN
  (SELECT sequence FROM countersign_decisions WHERE time < ? LIMIT ?)`;
export const pruneFirst = `DELETE FROM countersign_decisions WHERE sequence IN
  (SELECT sequence FROM countersign_decisions ORDER BY sequence LIMIT ?)`;

// The smallest index is counted: milliseconds for a million rows.
const allCount = 'SELECT COUNT(*) AS n FROM countersign_decisions';
export const nobodysCount = `SELECT COUNT(*) AS n FROM countersign_decisions WHERE ${ofNobody}`;
export const pruneNobodys = `DELETE FROM countersign_decisions WHERE sequence IN
  (SELECT sequence FROM countersign_decisions WHERE ${ofNobody} ORDER BY sequence LIMIT ?)`;

/** Rows deleted, and rows grouped, at a time, so that requests never wait long for it. */
const pruneStep = 500;
const groupsStep = 5000;

export function sqliteDecisions(database: Database): DecisionStore {
  const { step } = database;
  const rolled = rollUp();

  async function inSteps(sql: string, rowsMax: number, ...values: number[]): Promise<number> {
    for (let deleted = 0; ; await nextTurn()) {
      const size = Math.min(pruneStep, rowsMax - deleted);
      const count = size > 0 ? await step(() => database.quick.run(sql, ...values, size)) : 0;
      deleted += count;
      if (count < pruneStep) return deleted;
    }
  }

  function counted(sql: string): Promise<number> {
    return step(() => database.quick.get<{ n: number }>(sql)?.n ?? 0);
  }

  /** Groups the rows of the next times; returns where to go on, null at the end. */
  function grouped(merger: GroupMerger, from: number, until: number, of: string | null): number | null {
    const { quick } = database;
    const bound = quick.get<{ time: number }>(groupsBound, from, until, groupsStep)?.time ?? null;
    for (const part of quick.all<GroupPart>(decisionGroups, from, bound ?? until, of, of)) merger.add(part);
    // A bound lies between times, never within one, so no row is counted twice.
    return bound === null ? null : (quick.get<{ time: number }>(groupsNext, bound)?.time ?? null);
  }

  function listed(filter: DecisionFilter, through?: number): Kept[] {
    const { sql, values } = listing(filter, through);
    return database.quick.arrays<Values>(sql, ...values).map(keptOf);
  }

  async function searched(filter: DecisionFilter): Promise<Kept[]> {
    const parts = searchParts(database, filter);
    const found: Kept[] = [];
    for (; ; await nextTurn()) {
      const limit = filter.limit - found.length;
      const part = limit > 0 ? await step(() => parts.next().value) : undefined;
      if (!part) return found;
      found.push(...(await step(() => listed({ ...filter, ...part.within, limit }, part.through))));
    }
  }

  return {
    rowsMax: Infinity,
    append: (rows, measures = []) =>
      step(() => {
        if (rows.length + measures.length === 0) return;
        database.checkInPlace();
        const { quick } = database;
        quick.transaction(() => {
          for (const row of rows) quick.run(insert, ...decisionValues(row));
          addRollups(quick, rolled(rows, measures));
        });
      }),
    async list(filter) {
      const rows = await (filter.requestId === undefined ? step(() => listed(filter)) : searched(filter));
      return rows.sort((a, b) => a.sequence - b.sequence);
    },
    async groups(since, until, credentialId) {
      const merger = groupMerger();
      let from: number | null = since;
      while (from !== null) {
        const start: number = from;
        from = await step(() => grouped(merger, start, until, credentialId ?? null));
        await nextTurn();
      }
      return merger.groups();
    },
    async prune(before, keep) {
      const kept = Math.max(0, keep);
      const old = await inSteps(pruneOld, Infinity, before);
      const beyond = (await counted(nobodysCount)) - Math.floor(kept / 2);
      const anonymous = await inSteps(pruneNobodys, beyond);
      return old + anonymous + (await inSteps(pruneFirst, (await counted(allCount)) - kept));
    },
    rollups: (since, until) => rollupsBetween(database, since, until),
    pruneRollups: (now) => pruneRollups(database, now),
  };
}

type Values = readonly [
  sequence: Kept['sequence'],
  time: Kept['time'],
  outcome: Kept['outcome'],
  reason: Kept['reason'],
  note: Kept['note'],
  mode: Kept['mode'],
  service: Kept['service'],
  route: Kept['route'],
  method: Kept['method'],
  path: Kept['path'],
  principal: Kept['principal'],
  claimed: Kept['claimed'],
  scheme: Kept['scheme'],
  credentialId: Kept['credentialId'],
  clientAddress: Kept['clientAddress'],
  skewSeconds: Kept['skewSeconds'],
  durationMicros: Kept['durationMicros'],
  requestId: Kept['requestId'],
];

/** In the order in which they are selected. Field by field: any loop over names takes longer than reading them. */
function keptOf(values: Values): Kept {
  const [
    sequence,
    time,
    outcome,
    reason,
    note,
    mode,
    service,
    route,
    method,
    path,
    principal,
    claimed,
    scheme,
    credentialId,
    clientAddress,
    skewSeconds,
    durationMicros,
    requestId,
  ] = values;
  return {
    sequence,
    time,
    outcome,
    reason,
    note,
    mode,
    service,
    route,
    method,
    path,
    principal,
    claimed,
    scheme,
    credentialId,
    clientAddress,
    skewSeconds,
    durationMicros,
    requestId,
  };
}

/**
 * Only the conditions that are given, so that each combination gets the plan that suits it. `through` is the last number, for
 * who reads in parts.
 */
export function listing(filter: DecisionFilter, through?: number): { sql: string; values: (string | number)[] } {
  const { since, until, outcome, service, route, reason, caller: who, requestId, after, limit } = filter;
  const conditions: [string, string | number | undefined][] = [
    ['time >= ?', since],
    ['time <= ?', until],
    ['outcome = ?', outcome],
    ['service = ?', service],
    ['route = ?', route],
    ['reason = ?', reason],
    [`${caller} = ?`, who],
    ['request_id = ?', requestId],
    ['sequence > ?', behindNumber(after)],
    ['sequence <= ?', through],
  ];
  const given = conditions.filter((condition): condition is [string, string | number] => condition[1] !== undefined);
  const where = given.length > 0 ? `WHERE ${given.map(([sql]) => sql).join(' AND ')}` : '';
  // By time, so that a search since a time ends there, however few rows match.
  const order =
    after === undefined ? 'time DESC, countersign_decisions.sequence DESC' : 'countersign_decisions.sequence';
  return {
    sql: `${select} ${where} ORDER BY ${order} LIMIT ?`,
    values: [...given.map(([, value]) => value), Math.max(0, limit)],
  };
}
