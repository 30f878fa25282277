import type { Store } from '../../core/store.ts';

/** Whether what is held in memory is what the store has. */
export interface Staleness {
  /** For how long changes may have been missed, seconds; null while none are. Asked on every request. */
  seconds(): number | null;
  /** How often everything was read anew because changes may have been missed. */
  readonly resyncs: number;
  close(): void;
}

/** Something that is read from the store into memory, and follows its changes. */
export interface Reader {
  /** Since when it is known to be behind, by performance.now(); null while it is level. */
  behindSince(): number | null;
}

export interface StalenessOptions {
  readonly store: Pick<Store, 'watch'>;
  readonly onWarning: (text: string) => void;
  readonly onLost?: () => void;
  /** For how long nothing was heard, seconds. */
  readonly onRestored?: (seconds: number) => void;
}

const lookMillis = 100;
/** A feed that only begins has lost nothing: that it is not there yet is worth telling when it takes longer than a connection may. */
const beginningMillis = 5000;

/**
 * Follows the feed: from its loss on, all that is in memory counts as old as the feed's last sign of life, and stays so until the
 * feed runs again and every reader has read everything anew.
 */
export function staleness({
  store,
  onWarning,
  onLost,
  onRestored,
}: StalenessOptions): Staleness & { follow(reader: Reader): void } {
  const readers: Reader[] = [];
  let running = true;
  let missingSince: number | null = null;
  let resyncs = 0;
  let look: NodeJS.Timeout | null = null;
  let watching = false;
  let beginning: NodeJS.Timeout | undefined;

  const stop = store.watch((change) => {
    if (change.topic === 'lost') {
      running = false;
      missingSince ??= change.since;
      if (watching) lookOn();
      else beginning = setTimeout(stillBeginning, beginningMillis).unref();
    } else if (change.topic === 'resync') {
      running = true;
      missingSince ??= performance.now();
      resyncs += 1;
    }
  });
  watching = true;

  function stillBeginning(): void {
    if (since() !== null) lookOn();
  }

  /** Since when something may be missing, once all that is made good is forgotten. */
  function since(): number | null {
    let oldest: number | null = null;
    for (const reader of readers) {
      const behind = reader.behindSince();
      if (behind !== null && (oldest === null || behind < oldest)) oldest = behind;
    }
    if (running && oldest === null) missingSince = null;
    return missingSince ?? oldest;
  }

  /** Says the loss, and later its end, once each. */
  function lookOn(): void {
    if (look) return;
    onWarning(
      'the changes of the store are not heard any more; keys, routes and modes stay as they were for as long as onStoreOutage allows',
    );
    const from = performance.now();
    onLost?.();
    look = setInterval(() => {
      if (since() !== null || !look) return;
      clearInterval(look);
      look = null;
      onWarning('the changes of the store are heard again, and everything was read anew');
      onRestored?.((performance.now() - from) / 1000);
    }, lookMillis);
    look.unref();
  }

  return {
    follow: (reader) => void readers.push(reader),
    seconds() {
      const from = since();
      return from === null ? null : Math.max(0, performance.now() - from) / 1000;
    },
    get resyncs() {
      return resyncs;
    },
    close() {
      stop();
      // Nothing is heard from now on, and whoever asks all the same may not take the last word for the latest.
      running = false;
      missingSince ??= performance.now();
      clearTimeout(beginning);
      if (look) clearInterval(look);
      look = null;
    },
  };
}
