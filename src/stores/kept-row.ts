import type { DecisionFilter, DecisionRow } from '../core/store.ts';
import { callerOf } from './groups.ts';

/** A decision as a store has it, numbered upwards. */
export type KeptRow = DecisionRow & { readonly sequence: number };

/** Whether a filter means this row, but for its limit: for engines that cannot be asked for it. */
export function isMeant(row: KeptRow, filter: DecisionFilter): boolean {
  const { since, until, outcome, service, route, reason, caller, requestId, after } = filter;
  return (
    (since === undefined || row.time >= since) &&
    (until === undefined || row.time <= until) &&
    (outcome === undefined || row.outcome === outcome) &&
    (service === undefined || row.service === service) &&
    (route === undefined || row.route === route) &&
    (reason === undefined || row.reason === reason) &&
    (caller === undefined || callerOf(row) === caller) &&
    (requestId === undefined || row.requestId === requestId) &&
    (after === undefined || row.sequence > after)
  );
}
