import type { Change } from '../../core/store.ts';
import { listeners, lostSince, resync } from '../listeners.ts';
import type { Database } from './database.ts';

/**
 * What changed, for every process on the file. Each change is a row that is written with what it tells of; other processes
 * look whether the file was written to (PRAGMA data_version costs microseconds and reads nothing) and then read on.
 */
export interface Changes {
  /** One write: done in one transaction that takes the write lock at once, then told to the listeners. */
  write<T>(work: () => T): T;
  /** Within a write: what was changed. Tokens are noted by triggers. */
  note(topic: Exclude<Change['topic'], 'lost' | 'resync' | 'tokens'>, id: string): void;
  watch(listener: (change: Change) => void): () => void;
  close(): void;
}

/** Behind this many changes a reader is told to read everything anew. */
const changesKept = 10_000;
const forget = `DELETE FROM countersign_changes
  WHERE sequence <= (SELECT MAX(sequence) FROM countersign_changes) - ${changesKept}`;

/**
 * Triggers, so that a token is told of whoever wrote it: other programs update and delete in auth_tokens as well. The end of
 * an expired token is no news, so sweeping them out tells nothing. Nothing in here needs a new SQLite: the programs bring theirs.
 */
export const tellOfTokens: readonly string[] = [
  tokenTrigger('INSERT', 'NEW.token_id'),
  tokenTrigger('UPDATE', 'OLD.token_id'),
  tokenTrigger('DELETE', 'OLD.token_id', `WHEN julianday(OLD.expires_at) > julianday('now')`),
];

function tokenTrigger(event: string, id: string, when = ''): string {
  return `CREATE TRIGGER countersign_tokens_${event.toLowerCase()} AFTER ${event} ON auth_tokens ${when} BEGIN
    INSERT INTO countersign_changes (topic, id) VALUES ('tokens', ${id});
    ${forget};
  END`;
}

export function changeFeed(database: Database, pollMillis: number): Changes {
  const watching = listeners();
  let timer: NodeJS.Timeout | null = null;
  /** Null while the place in the feed is unknown: the file could not be read when watching began. */
  let seen: number | null = null;
  let dataVersion = -1;
  let closed = false;
  /** The last look at the file that succeeded; and whether one since then failed. */
  let looked = performance.now();
  let lost = false;

  function start(): void {
    try {
      seen = newest();
      dataVersion = currentDataVersion();
    } catch {
      seen = null;
    }
    looked = performance.now();
    lost = false;
    timer = setInterval(poll, pollMillis);
    timer.unref();
  }

  function stop(): void {
    if (timer) clearInterval(timer);
    timer = null;
  }

  function poll(): void {
    try {
      // What others write is in another file then, and this one would never tell of it.
      database.checkInPlace();
      const version = currentDataVersion();
      if (version !== dataVersion || seen === null) deliver();
      dataVersion = version;
      looked = performance.now();
    } catch {
      // Looked for again at the next turn; whoever needs the store hears of the outage from their own verbs.
      seen = null;
      if (!lost) watching.tell(lostSince(looked));
      lost = true;
    }
  }

  function deliver(): void {
    if (watching.size === 0) return;
    if (seen === null) {
      seen = newest();
      lost = false;
      watching.tell(resync);
      return;
    }
    const rows = database.durable.all<Change & { sequence: number }>(
      'SELECT sequence, topic, id FROM countersign_changes WHERE sequence > ? ORDER BY sequence',
      seen,
    );
    const [first] = rows;
    if (!first) return;
    // Numbers are given out without gaps, so a gap means that what lay between was thrown away before we read it.
    const missed = first.sequence !== seen + 1;
    seen = rows.at(-1)?.sequence ?? seen;
    if (missed) watching.tell(resync);
    else for (const { topic, id } of rows) watching.tell({ topic, id } as Change);
  }

  function newest(): number {
    // Not MAX(sequence): the number goes on where it was when the table has been emptied.
    const row = database.durable.get<{ seq: number }>(
      `SELECT seq FROM sqlite_sequence WHERE name = 'countersign_changes'`,
    );
    return row?.seq ?? 0;
  }

  function currentDataVersion(): number {
    return database.durable.get<{ data_version: number }>('PRAGMA data_version')?.data_version ?? -1;
  }

  return {
    write(work) {
      const connection = database.durable;
      database.checkInPlace();
      const result = connection.transaction(work);
      try {
        deliver();
      } catch {
        // The write is done and must not be reported as failed; the next turn delivers.
        dataVersion = -1;
      }
      return result;
    },
    note(topic, id) {
      database.durable.run('INSERT INTO countersign_changes (topic, id) VALUES (?, ?)', topic, id);
      database.durable.run(forget);
    },
    watch(listener) {
      if (!timer && !closed) start();
      else if (lost) listener(lostSince(looked));
      const remove = watching.add(listener);
      return () => {
        remove();
        if (watching.size === 0) stop();
      };
    },
    close() {
      closed = true;
      stop();
      watching.clear();
    },
  };
}
