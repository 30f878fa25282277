import { lifeFault, type KeyRecord } from '../core/credential.ts';

/**
 * Where a living key stands in the life of its caller's secret. pending: accepted, but not known to have reached the caller.
 * current: the one to use. previous: replaced by a current one, and accepted until it is ended.
 */
export type Stage = 'pending' | 'current' | 'previous';

/** All keys of a store, as their rotations tie them together. */
export interface Lineage {
  /** Null for a key that is revoked or has expired. */
  stageOf(record: KeyRecord): Stage | null;
  /** The living key that waits to take this one's place. */
  pendingFor(record: KeyRecord): KeyRecord | null;
  /** The living keys before this one, the nearest first: those whose place it took, directly or not. */
  previousOf(record: KeyRecord): KeyRecord[];
  /** The living key that took this one's place, directly or not, and is itself not replaced; null when there is none. */
  currentFor(record: KeyRecord): KeyRecord | null;
}

export function lineageOf(records: readonly KeyRecord[], now: number): Lineage {
  const byId = new Map(records.map((record) => [record.id, record]));
  const pending = new Map<string, KeyRecord>();
  const current = new Map<string, KeyRecord>();
  const living = records.filter((record) => isAlive(record, now));
  // Oldest first, so that the newest successor is the one that stays.
  for (const record of living.toSorted((a, b) => a.createdAt - b.createdAt)) {
    if (record.pending) pending.set(record.replaces ?? '', record);
    else for (const before of predecessors(record)) current.set(before.id, record);
  }

  function* predecessors(record: KeyRecord): Generator<KeyRecord> {
    // A store that was edited by hand may go in a circle.
    const seen = new Set([record.id]);
    for (let at = byId.get(record.replaces ?? ''); at && !seen.has(at.id); at = byId.get(at.replaces ?? '')) {
      seen.add(at.id);
      yield at;
    }
  }

  return {
    stageOf(record) {
      if (!isAlive(record, now)) return null;
      if (record.pending) return 'pending';
      return current.has(record.id) ? 'previous' : 'current';
    },
    pendingFor: ({ id }) => pending.get(id) ?? null,
    previousOf: (record) => [...predecessors(record)].filter((before) => isAlive(before, now)),
    currentFor: ({ id }) => current.get(id) ?? null,
  };
}

export function isAlive({ expiresAt, revokedAt }: KeyRecord, now: number): boolean {
  return lifeFault({ expiresAt, revoked: revokedAt !== null }, now) === null;
}
