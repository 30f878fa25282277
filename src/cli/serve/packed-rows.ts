import { isAlike, type DecisionValue } from '../../core/decision-values.ts';
import type { DecisionRow } from '../../core/store.ts';

/**
 * Rows as threads pass them to each other: what many have in common goes over once. Both are plain lists, a third of the cost
 * of objects, as long as they are filled by pushing (what flatMap makes counts as one with holes, and is passed on index by index).
 */
export interface PackedRows {
  /** So many values (kindWidth) for each kind of row: one caller on one route, as a rule. */
  readonly kinds: readonly DecisionValue[];
  /** So many (ownWidth) for each row, the number of its kind first. */
  readonly own: readonly DecisionValue[];
}

const kindWidth = 11;
const ownWidth = 7;
/** Kinds that a row is compared with, the newest first: no row costs more than so many comparisons. */
const kindsCompared = 32;

export function packed(rows: readonly DecisionRow[]): PackedRows {
  const kinds: DecisionValue[] = [];
  const own: DecisionValue[] = [];
  const firsts: DecisionRow[] = [];
  for (const row of rows) {
    let kind = kindOf(row, firsts);
    if (kind === -1) {
      kind = firsts.push(row) - 1;
      kinds.push(row.outcome, row.reason, row.note, row.mode, row.service, row.route, row.method);
      kinds.push(row.principal, row.claimed, row.scheme, row.credentialId);
    }
    own.push(kind, row.time, row.path, row.clientAddress, row.skewSeconds, row.durationMicros, row.requestId);
  }
  return { kinds, own };
}

function kindOf(row: DecisionRow, firsts: readonly DecisionRow[]): number {
  const last = firsts.length - 1;
  for (let kind = last; kind >= 0 && kind > last - kindsCompared; kind -= 1)
    if (isOfKind(row, firsts[kind] as DecisionRow)) return kind;
  return -1;
}

function isOfKind(a: DecisionRow, b: DecisionRow): boolean {
  return isAlike(a, b) && a.note === b.note && a.claimed === b.claimed;
}

export function unpacked({ kinds, own }: PackedRows): DecisionRow[] {
  const rows: DecisionRow[] = [];
  for (let at = 0; at < own.length; at += ownWidth) {
    const kind = Number(own[at]) * kindWidth;
    rows.push({
      time: own[at + 1],
      outcome: kinds[kind],
      reason: kinds[kind + 1],
      note: kinds[kind + 2],
      mode: kinds[kind + 3],
      service: kinds[kind + 4],
      route: kinds[kind + 5],
      method: kinds[kind + 6],
      path: own[at + 2],
      principal: kinds[kind + 7],
      claimed: kinds[kind + 8],
      scheme: kinds[kind + 9],
      credentialId: kinds[kind + 10],
      clientAddress: own[at + 3],
      skewSeconds: own[at + 4],
      durationMicros: own[at + 5],
      requestId: own[at + 6],
    } as DecisionRow);
  }
  return rows;
}
