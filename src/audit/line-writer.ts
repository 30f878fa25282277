/** As much of a Writable as is needed; process.stdout is one. */
export interface LineStream {
  write(chunk: string, done?: (error?: Error | null) => void): boolean;
  /** Bytes that were accepted and not yet passed on. */
  readonly writableLength: number;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** Joins lines into few writes. */
export interface LineWriter {
  /** Takes one line without its line end; returns at once. */
  line(text: string): void;
  /** Lines that were lost because the reader could not keep up. */
  readonly dropped: number;
  /** Resolves when the stream has taken what was given; never rejects. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const flushMillis = 50;
const joinedCharactersMax = 64 * 1024;

/**
 * A write per decision would cost more than the decision. Whoever reads too slowly loses lines, and is told how many; it
 * never holds up a request or fills the memory.
 */
export function lineWriter(stream: LineStream, options: { readonly waitingBytesMax?: number } = {}): LineWriter {
  const { waitingBytesMax = 8 * 1024 * 1024 } = options;
  let joined = '';
  let timer: NodeJS.Timeout | null = null;
  let dropped = 0;
  let untold = 0;
  let closed = false;
  let broken = false;

  // A reader that went away (EPIPE) must not end the process with it.
  stream.on('error', () => {
    broken = true;
  });

  function line(text: string): void {
    if (closed || broken || stream.writableLength > waitingBytesMax) {
      dropped += 1;
      untold += 1;
      return;
    }
    if (untold > 0) {
      joined += `{"level":"warn","event":"audit.lines_dropped","count":${untold}}\n`;
      untold = 0;
    }
    joined += `${text}\n`;
    if (joined.length >= joinedCharactersMax) pass();
    else if (timer === null) {
      timer = setTimeout(pass, flushMillis);
      timer.unref();
    }
  }

  function pass(done?: () => void): void {
    if (timer) clearTimeout(timer);
    timer = null;
    const text = joined;
    joined = '';
    if (broken) done?.();
    else if (text === '' && !done) return;
    else stream.write(text, () => done?.());
  }

  function flush(): Promise<void> {
    return new Promise((resolve) => pass(resolve));
  }

  return {
    line,
    get dropped() {
      return dropped;
    },
    flush,
    async close() {
      await flush();
      closed = true;
    },
  };
}
