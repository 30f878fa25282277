import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import { lastDecision } from '../../core/last-decision.ts';
import type { DecisionRow, DecisionStore } from '../../core/store.ts';

/** Finds, among all that is decided meanwhile, what was decided of marked requests. */
export interface Evidence {
  /** By request id; what is not found within a few seconds is left out. */
  find(requestIds: ReadonlySet<string>): Promise<ReadonlyMap<string, DecisionRow>>;
}

const pageRows = 1000;
const waitSeconds = 10;

/** To be made before the first request: what was there by then is not looked through. */
export async function evidence(decisions: DecisionStore): Promise<Evidence> {
  const start = await lastDecision(decisions);
  return {
    async find(requestIds) {
      const found = new Map<string, DecisionRow>();
      const deadline = systemClock() + waitSeconds;
      let after = start;
      while (found.size < requestIds.size && systemClock() < deadline) {
        const rows = await decisions.list({ after, limit: pageRows });
        for (const row of rows) if (requestIds.has(row.requestId)) found.set(row.requestId, row);
        after = rows.at(-1)?.sequence ?? after;
        if (rows.length === pageRows) continue;
        // Rows come in batches behind the requests' backs, and those of two servers not in the order of their numbers.
        after = start;
        if (found.size < requestIds.size) await pause(100);
      }
      return found;
    },
  };
}
