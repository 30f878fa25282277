import { chainStart, type Chain, type EventFilter, type EventRow, type EventStore } from '../../core/event.ts';
import type { Memory } from './memory.ts';

export function memoryEvents({ step }: Memory): EventStore {
  const chains: Record<Chain, EventRow[]> = { events: [], decisions: [] };
  return {
    head: (chain) => step(() => headOf(chains[chain])),
    append: (row, previous) =>
      step(() => {
        const { sequence, hash } = headOf(chains[row.chain]) ?? { sequence: 0, hash: chainStart };
        if (sequence !== row.sequence - 1 || hash !== previous) return false;
        chains[row.chain].push({ ...row });
        return true;
      }),
    list: (chain, filter) =>
      step(() => {
        const found = chains[chain].filter((row) => matches(row, filter));
        const limit = Math.max(0, filter.limit);
        const chosen =
          filter.after === undefined ? found.slice(Math.max(0, found.length - limit)) : found.slice(0, limit);
        return chosen.map((row) => ({ ...row }));
      }),
    prune: (chain, through) =>
      step(() => {
        const had = chains[chain].length;
        chains[chain] = chains[chain].filter(({ sequence }) => sequence > through);
        return had - chains[chain].length;
      }),
  };
}

function headOf(rows: readonly EventRow[]) {
  const last = rows.at(-1);
  return last ? { sequence: last.sequence, time: last.time, hash: last.hash } : null;
}

function matches(row: EventRow, { since, until, type, actor, after }: EventFilter): boolean {
  return (
    (since === undefined || row.time >= since) &&
    (until === undefined || row.time <= until) &&
    (type === undefined || row.type === type) &&
    (actor === undefined || row.actor === actor) &&
    (after === undefined || row.sequence > after)
  );
}
