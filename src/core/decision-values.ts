import type { DecisionRow } from './store.ts';

export type DecisionValue = string | number | null;

/** How many there are of each row. */
export const decisionWidth = 17;

/** What a row says, in the order that seals are made of: another one would break every seal that there is. */
export function decisionValues(row: DecisionRow): DecisionValue[] {
  return [
    row.time,
    row.outcome,
    row.reason,
    row.note,
    row.mode,
    row.service,
    row.route,
    row.method,
    row.path,
    row.principal,
    row.claimed,
    row.scheme,
    row.credentialId,
    row.clientAddress,
    row.skewSeconds,
    row.durationMicros,
    row.requestId,
  ];
}
