import type { Clock } from '../../core/clock.ts';
import { changeRecord, type RecordStore } from '../../core/record.ts';
import { rolledBack, type RampState } from './state.ts';
import { storedState } from './stored-state.ts';

const kind = 'ramp';
const id = 'current';
/** As a change of the store names it. */
export const rampTopicId = `${kind}/${id}`;

/** Null when there has been none. Rejects with code 'ramp_unreadable' for one that a newer or another program wrote. */
export async function storedRamp(records: RecordStore, now: number): Promise<RampState | null> {
  const record = await records.get(kind, id, now);
  return record && stateOf(record.value);
}

/** When a ramp was last ordered on, by the clock of whoever did; -Infinity where there is none that could be read. */
export async function orderedAtOf(records: RecordStore, now: number): Promise<number> {
  const state = await storedRamp(records, now).catch(() => null);
  return state?.orderedAt ?? -Infinity;
}

/**
 * Replaces the ramp by what `change` makes of it, and resolves to that; null where `change` says null, and then nothing is
 * written. Of two that change it at once the second is asked again, with what the first has made of it.
 */
export async function changeRamp(
  records: RecordStore,
  clock: Clock,
  change: (state: RampState | null) => RampState | null,
): Promise<RampState | null> {
  let next: RampState | null = null;
  const isWritten = await changeRecord(records, { kind, id, clock }, (record) => {
    next = change(record && stateOf(record.value));
    return next && { value: JSON.parse(JSON.stringify(next)), expiresAt: null };
  });
  if (isWritten) return next;
  throw new RampError('ramp_contended', 'the ramp is being changed by others again and again; try once more');
}

/** Nothing is enforced by a ramp any more. */
export async function withdrawRamp(records: RecordStore, clock: Clock, why: string): Promise<RampState | null> {
  return changeRamp(records, clock, (state) => state && rolledBack(state, 'all', [why]));
}

export class RampError extends Error {
  readonly code: 'ramp_unreadable' | 'ramp_contended';
  constructor(code: RampError['code'], message: string) {
    super(message);
    this.name = 'RampError';
    this.code = code;
  }
}

function stateOf(value: unknown): RampState {
  const state = storedState(value);
  if (state) return state;
  throw new RampError(
    'ramp_unreadable',
    'the ramp in the store (record ramp/current) was written by a newer Countersign, or changed by another program: update this one, or remove that record',
  );
}
