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
  /** Lines that were lost: the reader could not keep up, or had no room. */
  readonly dropped: number;
  /** Resolves when the stream has taken what was given; never rejects. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** What stands in the log in place of so many lines. */
export function linesDropped(count: number): string {
  return `{"level":"warn","event":"audit.lines_dropped","count":${count}}\n`;
}

const flushMillis = 50;
const joinedCharactersMax = 64 * 1024;

/**
 * A write per decision would cost more than the decision. Whoever reads too slowly or has no room, a full disk, loses lines, and is
 * told how many; it never holds up a request, fills the memory or ends the process.
 */
export function lineWriter(stream: LineStream, options: { readonly waitingBytesMax?: number } = {}): LineWriter {
  const { waitingBytesMax = 8 * 1024 * 1024 } = options;
  let joined = '';
  let joinedLines = 0;
  let timer: NodeJS.Timeout | null = null;
  let dropped = 0;
  let untold = 0;
  let torn = false;
  let closed = false;

  // Each write is told of its own fault; a reader that went away must not end the process with it.
  stream.on('error', () => undefined);

  function line(text: string): void {
    if (closed || stream.writableLength > waitingBytesMax) {
      lost(1);
      return;
    }
    joined += `${text}\n`;
    joinedLines += 1;
    if (joined.length >= joinedCharactersMax) pass();
    else if (timer === null) {
      timer = setTimeout(pass, flushMillis);
      timer.unref();
    }
  }

  function pass(done?: () => void): void {
    if (timer) clearTimeout(timer);
    timer = null;
    if (joined === '' && !done) return;
    const told = joined === '' ? 0 : untold;
    const lines = joinedLines;
    const text = told > 0 ? `${torn ? '\n' : ''}${linesDropped(told)}${joined}` : joined;
    untold -= told;
    joined = '';
    joinedLines = 0;
    if (told > 0) torn = false;
    stream.write(text, (error) => {
      if (error) {
        untold += told;
        lost(lines);
        // A part of the text may have been written, without its line end.
        torn = true;
      }
      done?.();
    });
  }

  function lost(lines: number): void {
    dropped += lines;
    untold += lines;
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
