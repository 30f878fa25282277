import type { Outcome } from '../core/decision.ts';
import { isMode } from '../core/mode.ts';
import type { MeasureKind, RollupGroup, RollupMeasure } from '../core/rollup.ts';

/** What stands in a store where a thing of ours should. */
export type Found<Thing> = Readonly<Partial<Record<keyof Thing, unknown>>>;

const OUTCOMES: Readonly<Record<Outcome, true>> = { allow: true, deny: true, would_deny: true, public: true };
const KINDS: Readonly<Record<MeasureKind, true>> = { duration: true, proving: true, answer: true, skew: true };

export function isGroup(found: Found<RollupGroup>): found is RollupGroup {
  const { service, route, mode, outcome, reason, caller, clientAddress, requestId } = found;
  return (
    [service, route, reason, caller, clientAddress, requestId].every((text) => typeof text === 'string') &&
    isMode(mode) &&
    isOneOf(OUTCOMES, outcome) &&
    isCount(found.count) &&
    [found.start, found.firstSeen, found.lastSeen].every(Number.isFinite)
  );
}

export function isMeasure(found: Found<RollupMeasure>): found is RollupMeasure {
  return (
    typeof found.name === 'string' &&
    isOneOf(KINDS, found.kind) &&
    isCount(found.count) &&
    [found.start, found.slot, found.least, found.most].every(Number.isFinite)
  );
}

function isOneOf(table: object, value: unknown): boolean {
  return typeof value === 'string' && Object.hasOwn(table, value);
}

/** Nothing is kept of what has never happened. */
function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
