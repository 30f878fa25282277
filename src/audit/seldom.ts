/**
 * Tells of what anybody can bring about: at once, then once a minute, and once an hour while it goes on and on. So whoever does it
 * again and again fills the audit with little, and pushes nothing older out of it.
 */
export interface Seldom<What> {
  /** What has another key is told apart, as long as there are few of them. */
  happened(key: string, what: What): void;
  /** Tells what has not been told yet; of what happens from then on nothing is told. */
  close(): void;
}

interface Quiet<What> {
  readonly timer: NodeJS.Timeout;
  /** How often it was told without an hour in between in which nothing happened. */
  readonly told: number;
  /** Nothing has happened for a while: the next time is told at once. */
  readonly isOver: boolean;
  /** What happened since it was last told. */
  untold: What | null;
}

const quietMillis = 60_000;
const longQuietMillis = 3_600_000;
const toldOften = 10;
/** Keys told apart; what has others is told as one. */
const keysMax = 1000;
const others = '(others)';

export function seldom<What>(tell: (what: What) => void, together: (before: What, now: What) => What): Seldom<What> {
  const quiet = new Map<string, Quiet<What>>();
  let closed = false;

  function rest(key: string, told: number, isOver = false): void {
    const millis = isOver || told >= toldOften ? longQuietMillis : quietMillis;
    quiet.set(key, { timer: setTimeout(rested, millis, key).unref(), told, isOver, untold: null });
  }

  function rested(key: string): void {
    const { told = 0, isOver = true, untold = null } = quiet.get(key) ?? {};
    if (untold !== null) {
      tell(untold);
      rest(key, told + 1);
    } else if (isOver) quiet.delete(key);
    else rest(key, told, true);
  }

  return {
    happened(asked, what) {
      if (closed) return;
      const key = quiet.size < keysMax || quiet.has(asked) ? asked : others;
      const known = quiet.get(key);
      if (known && !known.isOver) {
        known.untold = known.untold === null ? what : together(known.untold, what);
        return;
      }
      clearTimeout(known?.timer);
      tell(what);
      rest(key, (known?.told ?? 0) + 1);
    },
    close() {
      closed = true;
      for (const { timer, untold } of quiet.values()) {
        clearTimeout(timer);
        if (untold !== null) tell(untold);
      }
      quiet.clear();
    },
  };
}
