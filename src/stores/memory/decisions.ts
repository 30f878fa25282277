import { isOfNobody } from '../../core/decision-values.ts';
import type { DecisionGroup } from '../../core/rollup.ts';
import type { DecisionStore } from '../../core/store.ts';
import { callerOf, groupMerger } from '../groups.ts';
import { isMeant, type KeptRow } from '../kept-row.ts';
import { rollUp } from '../roll-up.ts';
import type { Memory } from './memory.ts';
import { memoryRollups } from './rollups.ts';

export function memoryDecisions({ step }: Memory, rowsMax: number): DecisionStore {
  let rows: KeptRow[] = [];
  let sequence = 0;
  const rolled = rollUp();
  const rollups = memoryRollups();

  return {
    rowsMax,
    append: (added, measures = []) =>
      step(() => {
        for (const row of added) rows.push({ ...row, sequence: (sequence += 1) });
        rollups.add(rolled(added, measures));
        // A quarter over before the oldest go, so that not every append moves the whole array.
        if (rows.length > rowsMax * 1.25) rows = worthKeeping(rows, rowsMax);
      }),
    list: (filter) =>
      step(() => {
        const found = worthKeeping(rows, rowsMax).filter((row) => isMeant(row, filter));
        const limit = Math.max(0, filter.limit);
        const chosen = filter.after === undefined ? newest(found, limit) : found.slice(0, limit);
        return chosen.map((row) => ({ ...row }));
      }),
    groups: (since, until, credentialId) =>
      step(() => {
        const meant = (row: KeptRow): boolean => credentialId === undefined || row.credentialId === credentialId;
        const within = (row: KeptRow): boolean => row.time >= since && row.time <= until;
        return grouped(worthKeeping(rows, rowsMax).filter((row) => within(row) && meant(row)));
      }),
    prune: (before, keep) =>
      step(() => {
        const had = rows.length;
        const young = rows.filter((row) => row.time >= before);
        rows = worthKeeping(young, Math.max(0, keep));
        return had - rows.length;
      }),
    rollups: (since, until) => step(() => rollups.between(since, until)),
    pruneRollups: (now) => step(() => rollups.prune(now)),
  };
}

/** The newest `keep`, of which those of nobody proven hold at most half. */
function worthKeeping(rows: readonly KeptRow[], keep: number): KeptRow[] {
  const strangers = rows.filter(isOfNobody);
  const excess = strangers.length - Math.floor(keep / 2);
  const lastToGo = excess > 0 ? (strangers[excess - 1]?.sequence ?? 0) : 0;
  const left = rows.filter((row) => row.sequence > lastToGo || !isOfNobody(row));
  return left.slice(Math.max(0, left.length - keep));
}

/** The last `limit` by time, in the order of their numbers. */
function newest(rows: readonly KeptRow[], limit: number): KeptRow[] {
  return rows
    .toSorted((a, b) => b.time - a.time || b.sequence - a.sequence)
    .slice(0, limit)
    .sort((a, b) => a.sequence - b.sequence);
}

function grouped(rows: readonly KeptRow[]): DecisionGroup[] {
  const merger = groupMerger();
  for (const row of rows) {
    const { service, route, mode, outcome, reason, clientAddress, requestId, time, sequence } = row;
    const caller = callerOf(row);
    const who = { service, route, mode, outcome, reason, caller, clientAddress };
    merger.add({ ...who, count: 1, firstSeen: time, lastSeen: time, requestId, lastSequence: sequence });
  }
  return merger.groups();
}
