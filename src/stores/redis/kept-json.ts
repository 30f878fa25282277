import type { Chain, EventRow } from '../../core/event.ts';
import type { DecisionRow, ModeRow } from '../../core/store.ts';

/**
 * Rows as Redis keeps them. What somebody changed so that it cannot be read is a row all the same, which says nothing:
 * whoever verifies finds it where it stands, and nobody loses the others.
 */
export function decisionIn(json: string | null): DecisionRow {
  const row = (parsed(json) ?? {}) as Readonly<Partial<Record<keyof DecisionRow, unknown>>>;
  return {
    time: numberIn(row.time) ?? 0,
    outcome: textIn(row.outcome) as DecisionRow['outcome'],
    reason: textIn(row.reason),
    note: textIn(row.note),
    mode: textIn(row.mode) as DecisionRow['mode'],
    service: textIn(row.service),
    route: textIn(row.route),
    method: textIn(row.method),
    path: textIn(row.path),
    principal: textIn(row.principal),
    claimed: textIn(row.claimed),
    scheme: textIn(row.scheme),
    credentialId: textIn(row.credentialId),
    clientAddress: textIn(row.clientAddress),
    skewSeconds: numberIn(row.skewSeconds),
    durationMicros: numberIn(row.durationMicros) ?? 0,
    requestId: textIn(row.requestId),
  };
}

/** Its number is the one that it is kept under, whichever it claims. */
export function eventIn(chain: Chain, json: string | null, number: string | null): EventRow {
  const value = parsed(json);
  const [, time, type, actor, text, hash] = Array.isArray(value) ? (value as unknown[]) : [];
  return {
    chain,
    sequence: Number((number ?? '').replace('inf', 'Infinity')),
    time: numberIn(time) ?? Number.NaN,
    type: textIn(type),
    actor: textIn(actor),
    text: textIn(text),
    hash: textIn(hash),
  };
}

/** One that cannot be read is still a mode of its scope: what it is not, whoever goes by modes knows. */
export function modeIn(scope: string, json: string): ModeRow {
  const row = (parsed(json) ?? {}) as Readonly<Partial<Record<keyof ModeRow, unknown>>>;
  return {
    scope,
    mode: textIn(row.mode) as ModeRow['mode'],
    setAt: numberIn(row.setAt) ?? 0,
    setBy: textIn(row.setBy),
  };
}

/** Null for what is no JSON, and no object and no list. */
export function parsed(json: string | null): object | null {
  try {
    const value: unknown = JSON.parse(json ?? '');
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

export function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function numberIn(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
