import type { Change, Store } from './store.ts';
import { messageOf } from './message-of.ts';

/** Something that is held in memory, and read anew when the store tells of a change to it. */
export interface Following {
  /**
   * Since when it is known to be behind the store: from the change on that could not be read, or since changes may have been missed;
   * by performance.now(). Null while it is level, or reads what it has just heard of: that takes milliseconds, and whoever lets
   * nothing be behind would refuse everybody at every change.
   */
  behindSince(): number | null;
  /** Reads it anew, and resolves when that has ended, well or not: for whoever has just changed it. */
  reread(): Promise<void>;
  close(): void;
}

export interface FollowOptions {
  readonly store: Pick<Store, 'watch'>;
  /** Whether a change is one to it; after a resync it is read in any case. */
  readonly concerns: (change: Change) => boolean;
  /** Reads all of it. When it rejects, what was held is to stay. */
  readonly read: () => Promise<void>;
  /** Told once for as long as it fails in the same words. */
  readonly onFailure: (words: string) => void;
}

const retryMillis = 1000;

/**
 * Begins with a reading: a change between the caller's first one and the watch would otherwise go unseen. One reading at a time,
 * and one more when something changed during it; what could not be read is asked again until it can.
 */
export function follow({ store, concerns, read, onFailure }: FollowOptions): Following {
  let behindSince: number | null = null;
  /** When the oldest change was heard, or may have come, that is not read yet. */
  let heardAt: number | null = null;
  let reading = false;
  let again = false;
  let last: Promise<void> = Promise.resolve();
  let closed = false;
  let told = '';
  let retry: NodeJS.Timeout | null = null;

  function reread(): Promise<void> {
    again = true;
    heardAt ??= performance.now();
    if (!reading && !closed) last = readAll();
    return last;
  }

  async function readAll(): Promise<void> {
    reading = true;
    if (retry) clearTimeout(retry);
    let fault: string | null = null;
    while (again) {
      again = false;
      fault = await read().then(() => null, messageOf);
    }
    reading = false;
    if (fault !== null) return failed(fault);
    [behindSince, heardAt] = [null, null];
    told = '';
  }

  function failed(words: string): void {
    if (closed) return;
    behindSince ??= heardAt;
    if (words !== told) onFailure(words);
    told = words;
    retry = setTimeout(() => void reread(), retryMillis).unref();
  }

  const stop = store.watch((change) => {
    if (change.topic !== 'resync' && !concerns(change)) return;
    void reread();
    if (change.topic === 'resync') behindSince ??= heardAt;
  });
  void reread();

  return {
    behindSince: () => behindSince,
    reread,
    close() {
      closed = true;
      stop();
      if (retry) clearTimeout(retry);
    },
  };
}

/** For `concerns`: a change to records of one of these kinds, or to one of these records: 'ramp', 'ramp/current'. */
export function toRecords(...names: readonly string[]): (change: Change) => boolean {
  return ({ topic, id }) => topic === 'records' && names.some((name) => id === name || id.startsWith(`${name}/`));
}
