/** What a server does by itself again and again, one round at a time. */
export interface Rounds {
  /** Begins no further round; resolves when the one under way has ended. */
  close(): Promise<void>;
}

/** Each round begins `everyMillis` after the last one has ended. It must not reject, and holds no process. */
export function rounds(round: () => Promise<void>, everyMillis: number, firstMillis = everyMillis): Rounds {
  let under: Promise<void> | null = null;
  let closed = false;

  function roundIn(millis: number): NodeJS.Timeout {
    return setTimeout(() => {
      under = round().finally(() => {
        under = null;
        if (!closed) timer = roundIn(everyMillis);
      });
    }, millis).unref();
  }

  let timer = roundIn(firstMillis);
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await under;
    },
  };
}
