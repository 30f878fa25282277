import type { Change } from '../../core/store.ts';
import { uuid } from '../../crypto/random.ts';
import { listeners, lostSince, resync } from '../listeners.ts';
import { ownChanges, readChange } from '../own-changes.ts';
import type { Queries } from '../postgres/database.ts';
import type { Feed } from '../postgres/feed.ts';
import { changesKeptSeconds, changesReadMax, changesSince } from '../postgres/polled-changes.ts';
import { toldWrite } from '../postgres/told-write.ts';

interface ChangeRow {
  readonly endedBelow: number;
  readonly sequence: number | null;
  readonly xact: number | null;
  readonly told: string | null;
}

/** After a silence of this long something may be gone that was never read. */
const silenceSecondsMax = changesKeptSeconds / 2;

/** What changed, asked for again and again. */
export function pollingFeed(database: Queries, pollMillis: number): Feed {
  const watching = listeners();
  /** All transactions below this number have ended and were read; null while it is not known. */
  let position: number | null = null;
  /** What was read of transactions from there on. */
  let seen = new Set<number>();
  let heardAt = 0;
  /** A question since the last answer has failed. */
  let lost = false;
  let first: Promise<void> | null = null;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const own = ownChanges({
    instance: uuid(),
    tell: (change) => watching.tell(change),
    running: () => position !== null,
  });

  async function poll(): Promise<void> {
    const before = position;
    const rows = await database.query<ChangeRow>(changesSince, [before]);
    const [row] = rows;
    if (closed || !row) return;
    const silence = performance.now() / 1000 - heardAt;
    heardAt = performance.now() / 1000;
    position = row.endedBelow;
    // At the first reading, whoever watched before may have missed something; whoever begins now has missed nothing.
    const missed =
      lost || before === null || silence > silenceSecondsMax || rows.length > changesReadMax || row.endedBelow < before;
    const changes = rows.filter(isChange);
    const known = seen;
    seen = new Set(changes.filter(({ xact }) => xact >= row.endedBelow).map(({ sequence }) => sequence));
    lost = false;
    if (missed) {
      own.forget();
      watching.tell(resync);
      return;
    }
    for (const { sequence, told } of changes) if (!known.has(sequence)) hear(told);
  }

  function hear(told: string): void {
    const read = readChange(told);
    if (!read) return;
    if (read.change.topic === 'resync') watching.tell(resync);
    else own.heard(read.mark, read.change);
  }

  function failed(): void {
    if (!lost && !closed && position !== null) watching.tell(lostSince(heardAt * 1000));
    lost = true;
  }

  /** The next question is asked when the last is answered, or has failed: whoever needs the store hears of that from their verbs. */
  async function follow(): Promise<void> {
    await poll().catch(failed);
    if (closed) return;
    timer = setTimeout(() => void follow(), pollMillis);
    timer.unref();
  }

  function start(): Promise<void> {
    return (first ??= closed ? Promise.resolve() : follow());
  }

  return {
    write: (statement, values) => toldWrite(database, own, statement, values),
    watch(listener: (change: Change) => void) {
      void start();
      if (lost || position === null) listener(lostSince(performance.now()));
      return watching.add(listener);
    },
    started: start,
    close() {
      closed = true;
      clearTimeout(timer);
      watching.clear();
    },
  };
}

function isChange(row: ChangeRow): row is { endedBelow: number; sequence: number; xact: number; told: string } {
  return row.sequence !== null && row.told !== null;
}
