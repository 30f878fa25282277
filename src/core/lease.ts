import { clockSkewSecondsMax } from './clock.ts';
import type { RecordStore, StoredRecord } from './record.ts';

/** Something that one of many does at a time: whoever holds the lease. */
export interface Lease {
  /**
   * Takes the lease where nobody holds it, or renews it where it is ours. True while it is ours until `now` plus its length.
   * Rejects when the store cannot tell; it is then still ours until it ends by itself.
   */
  take(now: number): Promise<boolean>;
  /** Gives it up early, so that another need not wait for its end. */
  release(now: number): Promise<void>;
}

export interface LeaseOptions {
  readonly records: RecordStore;
  /** What is held: 'ramp'. Visible ASCII. */
  readonly name: string;
  /** Who holds it, different for every process. */
  readonly holder: string;
  /** How long it lasts without being renewed. Whoever holds it renews it several times in that time. */
  readonly seconds: number;
}

/**
 * A lease ends by the holder's clock or the store's user's, whichever is read: keep `seconds` well above what clocks differ by. One
 * that ends later than it can be taken for was taken by another clock, of which one cannot tell whether it is wrong, or our own: it is
 * anybody's once nobody has renewed it for as long as clocks may differ.
 */
export function lease({ records, name, holder, seconds }: LeaseOptions): Lease {
  let mine: StoredRecord | null = null;
  /** A lease that ends too late, and since when it is as it is, by our clock. */
  let odd = { revision: '', since: 0 };
  return {
    async take(now) {
      const entry = { kind: 'lease', id: name, value: { holder }, expiresAt: now + seconds };
      // One that has ended is nobody's, and is taken anew.
      const running = mine !== null && (mine.expiresAt ?? 0) > now ? mine : null;
      const held = running ?? open(await records.get('lease', name, now), now);
      mine = await records.put(entry, held?.revision ?? null, now);
      return mine !== null;
    },
    async release(now) {
      const held = mine;
      mine = null;
      if (held) await records.remove('lease', name, held.revision, now);
    },
  };

  /** A lease that we took but never heard of (its answer was lost) is renewed, not waited for. */
  function open(found: StoredRecord | null, now: number): StoredRecord | null {
    const value = found?.value as { readonly holder?: unknown } | undefined;
    if (found === null || value?.holder === holder) return found;
    if ((found.expiresAt ?? 0) - now <= seconds + clockSkewSecondsMax) return null;
    if (found.revision !== odd.revision) odd = { revision: found.revision, since: now };
    return now - odd.since > clockSkewSecondsMax ? found : null;
  }
}
