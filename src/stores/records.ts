import type { StoredRecord } from '../core/record.ts';
import { StoreError } from '../core/store.ts';

/** How many expired records are removed at a time. */
export const sweepMax = 1000;

/** A record as the engines keep it. */
export interface RecordRow {
  readonly kind: string;
  readonly id: string;
  readonly value: string;
  readonly revision: string;
  readonly expiresAt: number | null;
}

/** Throws on what another program broke: half a document is none. */
export function storedRecord({ kind, id, value, revision, expiresAt }: RecordRow): StoredRecord {
  try {
    return { kind, id, value: JSON.parse(value) as StoredRecord['value'], revision, expiresAt };
  } catch {
    throw new StoreError(
      'store_unavailable',
      `the stored ${kind} ${id} cannot be read: it was changed by another program`,
    );
  }
}
