import type { ServerResponse } from 'node:http';

/** What holds back a response's head for a moment, so that a short body can go out with it. */
export interface HeldHead {
  /** Sends what is held, if it has not gone out by then. */
  flush(): void;
}

let held: HeldHead[] = [];

/** Has the head flushed once the events at hand are dealt with: one turn for all, since most are whole by then. */
export function flushSoon(head: HeldHead): void {
  if (held.push(head) === 1) setImmediate(flushAll);
}

function flushAll(): void {
  const due = held;
  held = [];
  for (const head of due) head.flush();
}

/** Copying more than this costs more than a second piece. */
const textBytesMax = 16_384;

/** Ends a response. As text a short body leaves in one string with the head: in Latin-1 a character is a byte. */
export function endWith(res: ServerResponse, last: Buffer | null): void {
  if (last === null) res.end();
  else if (last.length <= textBytesMax) res.end(last.toString('latin1'), 'latin1');
  else res.end(last);
}
