import { recordsListedMax, recordText, type RecordStore, type StoredRecord } from '../../core/record.ts';
import { uuid } from '../../crypto/random.ts';
import { sweepMax } from '../records.ts';
import type { Memory } from './memory.ts';

export function memoryRecords({ step, tell }: Memory): RecordStore {
  const byPlace = new Map<string, StoredRecord>();

  function alive(place: string, now: number): StoredRecord | null {
    const record = byPlace.get(place);
    return record && (record.expiresAt === null || record.expiresAt > now) ? record : null;
  }

  return {
    get: (kind, id, now) => step(() => copyOf(alive(`${kind}/${id}`, now))),
    list: (kind, now, { after = '', limit = recordsListedMax } = {}) =>
      step(() =>
        [...byPlace]
          .filter(([place, record]) => record.kind === kind && record.id > after && alive(place, now))
          .map(([, record]) => structuredClone(record))
          .sort((a, b) => (a.id < b.id ? -1 : 1))
          .slice(0, limit),
      ),
    kinds: () => step(() => [...new Set([...byPlace.values()].map(({ kind }) => kind))].sort()),
    put: (entry, expected, now) =>
      step(() => {
        const value = JSON.parse(recordText(entry)) as StoredRecord['value'];
        const { kind, id, expiresAt } = entry;
        const place = `${kind}/${id}`;
        if ((alive(place, now)?.revision ?? null) !== expected) return null;
        const record = { kind, id, value, expiresAt, revision: uuid() };
        byPlace.set(place, record);
        tell({ topic: 'records', id: place });
        return copyOf(record);
      }),
    remove: (kind, id, expected, now) =>
      step(() => {
        const place = `${kind}/${id}`;
        if (alive(place, now)?.revision !== expected) return false;
        byPlace.delete(place);
        tell({ topic: 'records', id: place });
        return true;
      }),
    deleteExpired: (before) =>
      step(() => {
        const ended = [...byPlace].filter(([, { expiresAt }]) => expiresAt !== null && expiresAt < before);
        const some = ended.slice(0, sweepMax);
        for (const [place] of some) byPlace.delete(place);
        return some.length;
      }),
  };
}

/** Nobody changes what is stored by changing what he was given. */
function copyOf(record: StoredRecord | null): StoredRecord | null {
  return record && structuredClone(record);
}
