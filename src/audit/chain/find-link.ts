import type { Chain, EventRow, EventStore } from '../../core/event.ts';

/**
 * Links are looked for by where they stand in the chain. Which is the newest by its time is decided by whoever puts a row into the
 * table with a time in the future.
 */

const pageMax = 500;

/** The last link of a type, going back from the end, for types that are often there; null where none is left. */
export async function lastOfType(events: EventStore, chain: Chain, type: string): Promise<EventRow | null> {
  let end = (await events.head(chain))?.sequence ?? 0;
  for (let size = 1; end > 0; size = Math.min(8 * size, pageMax)) {
    const after = Math.max(0, end - size);
    const rows = await events.list(chain, { after, limit: end - after });
    const found = rows.findLast((row) => row.type === type && row.sequence <= end);
    if (found) return found;
    // Links have no gaps: this is the beginning, or what is missing is for those who verify.
    if (rows.length < end - after) return null;
    end = after;
  }
  return null;
}

/** Number of the last link for which this holds, where it holds for all before that one; 0 for none. Found by halves. */
export async function lastWhere(
  events: EventStore,
  chain: Chain,
  holds: (row: EventRow) => boolean,
  type?: string,
): Promise<number> {
  const [first] = await events.list(chain, { after: 0, limit: 1 });
  if (!first) return 0;
  let [low, high] = [first.sequence - 1, (await events.head(chain))?.sequence ?? 0];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const [row] = await events.list(chain, { after: middle - 1, limit: 1, ...(type !== undefined && { type }) });
    if (row && holds(row)) low = middle;
    else high = middle - 1;
  }
  return low;
}
