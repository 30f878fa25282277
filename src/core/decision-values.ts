import type { DecisionRow } from './store.ts';

export type DecisionValue = string | number | null;

/** How many there are of each row. */
export const decisionWidth = 17;

/** Whether two rows tell the same of the same caller on the same rule, so that most of what they say is the same text. */
export function isAlike(a: DecisionRow, b: DecisionRow): boolean {
  // What most rows differ in comes first.
  return (
    a.credentialId === b.credentialId &&
    a.route === b.route &&
    a.service === b.service &&
    a.method === b.method &&
    a.outcome === b.outcome &&
    a.reason === b.reason &&
    a.mode === b.mode &&
    a.principal === b.principal &&
    a.scheme === b.scheme
  );
}

/**
 * Whether nobody was proven: it was refused, or would be, or nobody was asked. Anybody can make any number of such rows, so they are
 * counted and removed apart from the others.
 */
export function isOfNobody({ principal }: Pick<DecisionRow, 'principal'>): boolean {
  return principal === '';
}

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
