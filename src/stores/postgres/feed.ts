import type { Client } from 'pg';
import type { Change } from '../../core/store.ts';
import { uuid } from '../../crypto/random.ts';
import { backoffMillis } from '../backoff.ts';
import { listeners, lostSince, resync } from '../listeners.ts';
import { ownChanges, readChange } from '../own-changes.ts';
import type { Database, Statement, Value } from './database.ts';
import { channel } from './tell.ts';
import { toldWrite } from './told-write.ts';

/** What changed, told by the database itself (LISTEN) on a connection of its own. */
export interface Feed {
  /** See toldWrite. */
  write(statement: Statement, values: readonly Value[]): Promise<boolean>;
  watch(listener: (change: Change) => void): () => void;
  /** Resolves when the first attempt to listen has come to an end, whatever it was. */
  started(): Promise<void>;
  close(): void;
}

export interface NoticeFeed extends Feed {
  /** What keeps notices from coming although the server answers; for operators. */
  warnings(): readonly string[];
}

export function feed(database: Database, patienceMillis: number): NoticeFeed {
  const listenNow = { text: `LISTEN ${channel}`, query_timeout: patienceMillis };
  const tellAll = { name: 'countersign_tell_all', text: `SELECT pg_notify('${channel}', $1)` };
  // A connection that has fallen silent looks like one on which nothing happens; so it is asked.
  const areYouThere = { text: 'SELECT 1', query_timeout: patienceMillis };

  const watching = listeners();
  let client: Client | null = null;
  let first: Promise<void> | null = null;
  let listening = false;
  /** A word that was told over another connection, to see whether it comes. */
  let awaited: { readonly word: string; readonly came: () => void } | null = null;
  let deaf = false;
  /** When the server last gave a sign of life on the feed's connection. */
  let heardAt = performance.now();
  let failures = 0;
  let retry: NodeJS.Timeout | undefined;
  let pulse: NodeJS.Timeout | undefined;
  let closed = false;
  const own = ownChanges({ instance: uuid(), tell: (change) => watching.tell(change), running: () => listening });

  async function listen(): Promise<void> {
    let made: Client | null = null;
    try {
      made = client = database.client();
      const mine = made;
      mine.on('notification', ({ payload }) => hear(payload ?? ''));
      mine.once('error', () => lost(mine));
      mine.once('end', () => lost(mine));
      await mine.connect();
      await mine.query(listenNow);
      const hears = await hearsOthers();
      // It was lost meanwhile, and another one is being made.
      if (mine !== client) return;
      deaf = !hears;
      if (deaf) return lost(mine);
      listening = true;
      failures = 0;
      heardAt = performance.now();
      pulse = beatLater(mine);
      // Whoever watched before this moment may have missed something; whoever begins now has missed nothing.
      watching.tell(resync);
    } catch {
      // Whoever needs the store hears of the outage from their own verbs.
      lost(made);
    }
  }

  /**
   * A pooler that lends connections for a transaction each answers LISTEN and passes no notice on: what is revoked elsewhere would
   * stay good here for ever. Told over the pool, since every connection hears itself.
   */
  async function hearsOthers(): Promise<boolean> {
    const word = uuid();
    const heard = new Promise<boolean>((resolve) => {
      awaited = { word, came: () => resolve(true) };
      setTimeout(resolve, patienceMillis, false).unref();
    });
    await database.query(tellAll, [word]);
    return heard;
  }

  function lost(which: Client | null): void {
    if (which !== client) return;
    client = null;
    own.forget();
    if (listening && !closed) watching.tell(lostSince(heardAt));
    listening = false;
    clearTimeout(pulse);
    which?.end().catch(() => {});
    if (closed) return;
    clearTimeout(retry);
    retry = setTimeout(() => void listen(), backoffMillis((failures += 1)));
    retry.unref();
  }

  /** The next question waits for the answer to the last. */
  function beat(which: Client): void {
    which.query(areYouThere).then(
      () => {
        if (which !== client) return;
        heardAt = performance.now();
        pulse = beatLater(which);
      },
      () => lost(which),
    );
  }

  function beatLater(which: Client): NodeJS.Timeout {
    return setTimeout(() => beat(which), patienceMillis).unref();
  }

  function hear(payload: string): void {
    if (payload === awaited?.word) awaited.came();
    // What comes before the feed counts as running is made good by the resync with which it begins.
    if (!listening) return;
    heardAt = performance.now();
    const told = readChange(payload);
    if (!told) return;
    const { mark, change } = told;
    if (change.topic === 'resync') watching.tell(resync);
    else own.heard(mark, change);
  }

  function start(): Promise<void> {
    return (first ??= closed ? Promise.resolve() : listen());
  }

  return {
    write: (statement, values) => toldWrite(database, own, statement, values),
    watch(listener) {
      void start();
      if (!listening) listener(lostSince(performance.now()));
      return watching.add(listener);
    },
    started: start,
    warnings: () =>
      deaf
        ? [
            `Postgres at ${database.place} passes no notices on, as behind a pooler of transactions, so nothing is heard of what others revoke; name the server itself, or let the pooler pool sessions`,
          ]
        : [],
    close() {
      closed = true;
      clearTimeout(retry);
      clearTimeout(pulse);
      watching.clear();
    },
  };
}
