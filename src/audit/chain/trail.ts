import type { Clock } from '../../core/clock.ts';
import type { Act, Actor, EventRow, EventStore } from '../../core/event.ts';
import { messageOf } from '../../core/message-of.ts';
import { isUnstorable } from '../../core/store.ts';
import { terminalSafe } from '../log-line.ts';
import { addLink, linkBehind } from './link.ts';

/** Takes down who did what. What is recorded has been done: it never fails the deed. */
export interface Trail {
  /** Resolves when the event is kept, or when it has to wait because the store is away; never rejects. */
  record(act: Act, actor?: Actor): Promise<void>;
  /** Events that were lost: too many were waiting, or the store was away until the end. */
  readonly lost: number;
  /** Tries once more to write what waits. */
  close(): Promise<void>;
}

export interface TrailOptions {
  readonly events: EventStore;
  readonly clock: Clock;
  /** Of what happens by itself. */
  readonly self: Actor;
  readonly warn: (text: string) => void;
}

interface Waiting {
  readonly act: Act;
  readonly actor: Actor;
  /** When it happened, which may be long before it can be written. */
  readonly at: number;
}

const waitingMax = 1000;
const retryMillis = 1000;

/** Events are written in their order, one at a time; while the store is away they wait in memory. */
export function trail({ events, clock, self, warn }: TrailOptions): Trail {
  let waiting: Waiting[] = [];
  let lost = 0;
  let untold = 0;
  let writing: Promise<void> | null = null;
  let retry: NodeJS.Timeout | null = null;
  let closed = false;
  let away = false;
  /** What was last handed to a store that did not answer: it may have been kept. */
  let unanswered: { readonly of: Waiting; readonly row: EventRow } | null = null;

  async function writeFirst(first: Waiting): Promise<void> {
    const { act, actor, at } = first;
    const late: Act['detail'] = clock() - at > 1 ? { happened: new Date(Math.round(at * 1000)).toISOString() } : {};
    const before = unanswered?.of === first ? unanswered.row : null;
    await addLink(
      { events, clock },
      'events',
      (head, now) => {
        const made = linkBehind('events', head, { ...act, detail: { ...act.detail, ...late } }, actor, now);
        unanswered = { of: first, row: made };
        return made;
      },
      before,
    );
  }

  /** The store will never hold it, and it is not to hold up those behind it. It is said here, in case nobody else can say it. */
  function setAside({ act, actor }: Waiting, error: unknown): void {
    lost += 1;
    // That evidence is missing is an event, too, and the same would happen to one that cannot be kept either.
    if (act.type !== 'audit.events_lost') untold += 1;
    unanswered = null;
    const what = terminalSafe(JSON.stringify({ type: act.type, subject: act.subject, actor: actor.id }));
    warn(`an audit event is left out, ${what}: ${messageOf(error)} (what was done stays done)`);
  }

  async function writeAll(): Promise<void> {
    try {
      for (let first = waiting[0]; first; first = waiting[0]) {
        try {
          await writeFirst(first);
        } catch (error) {
          if (!isUnstorable(error)) throw error;
          setAside(first, error);
        }
        waiting.shift();
        if (away) warn('audit events are being kept again');
        away = false;
        if (waiting.length === 0 && untold > 0 && !closed) {
          waiting.push({
            act: { type: 'audit.events_lost', subject: '', detail: { count: untold } },
            actor: self,
            at: clock(),
          });
          untold = 0;
        }
      }
    } catch (error) {
      if (!away) warn(`audit events wait: ${messageOf(error)} (what was done stays done)`);
      away = true;
      if (!closed) later();
    } finally {
      writing = null;
    }
  }

  function later(): void {
    retry ??= setTimeout(() => {
      retry = null;
      void write();
    }, retryMillis);
    retry.unref();
  }

  function write(): Promise<void> {
    writing ??= writeAll();
    return writing;
  }

  return {
    async record(act, actor = self) {
      if (closed || waiting.length >= waitingMax) {
        lost += 1;
        untold += 1;
        return;
      }
      waiting.push({ act, actor, at: clock() });
      // While the store is away nobody waits for it again and again.
      if (retry === null) await write();
    },
    get lost() {
      return lost;
    },
    async close() {
      if (closed) return;
      closed = true;
      if (retry) clearTimeout(retry);
      retry = null;
      await writing;
      if (waiting.length > 0) await write();
      if (waiting.length > 0) warn(`${waiting.length} audit events could not be written before closing`);
      lost += waiting.length;
      waiting = [];
    },
  };
}
