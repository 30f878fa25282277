import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DecisionRow, DecisionStore } from '../core/store.ts';

export type RecordedRow = DecisionRow & { readonly sequence: number };

const pageRows = 1000;

/**
 * The rows that are kept since a time and behind a sequence number, in the order in which they were recorded, a page in memory
 * at a time.
 */
export async function* recordedRows(decisions: DecisionStore, since: number, behind = 0): AsyncGenerator<RecordedRow> {
  for (let after = behind; ;) {
    const page = await decisions.list({ since, after, limit: pageRows });
    yield* page;
    const last = page.at(-1);
    if (!last || page.length < pageRows) return;
    after = last.sequence;
    // A store in this process answers at once: whoever else waits has a turn between two pages.
    await nextTurn();
  }
}
