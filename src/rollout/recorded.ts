import { setImmediate as nextTurn } from 'node:timers/promises';
import { isOperatorProbe } from '../core/probe.ts';
import type { DecisionRow, DecisionStore } from '../core/store.ts';

export type RecordedRow = DecisionRow & { readonly sequence: number };

const pageRows = 1000;

/**
 * What callers did, as it is kept since a time and behind a sequence number, in the order in which it was recorded, a page in
 * memory at a time. What operators asked is left out: nobody needed it.
 */
export async function* recordedRows(decisions: DecisionStore, since: number, behind = 0): AsyncGenerator<RecordedRow> {
  for (let after = behind; ;) {
    const page = await decisions.list({ since, after, limit: pageRows });
    for (const row of page) if (!isOperatorProbe(row.requestId)) yield row;
    const last = page.at(-1);
    if (!last || page.length < pageRows) return;
    after = last.sequence;
    // A store in this process answers at once: whoever else waits has a turn between two pages.
    await nextTurn();
  }
}
