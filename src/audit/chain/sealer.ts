import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';
import type { Act, Actor, Chain, ChainHead, EventRow, EventStore } from '../../core/event.ts';
import type { DecisionStore } from '../../core/store.ts';
import { lastOfType, lastWhere } from './find-link.ts';
import { addLink, linkBehind, recordAct } from './link.ts';
import { sealedIn, sealedRowsMax, sealedTogether, sealOver, sealType } from './seal.ts';
import { contentOf, isGivenNumber } from './verify-chain.ts';

export interface SealerOptions {
  readonly events: EventStore;
  readonly decisions: DecisionStore;
  readonly clock: Clock;
  readonly self: Actor;
  /** What is kept of decisions. */
  readonly retain: { readonly seconds: number; readonly rows: number };
  /** What is kept of events. */
  readonly retainEvents: { readonly seconds: number; readonly rows: number };
}

/** Keeps the chains: seals decisions into theirs, notes where that one ends in the events, and removes what is too old of both. */
export interface Sealer {
  /** Seals what was recorded since; `mayGoOn` is asked between batches. Resolves to how many decisions. */
  seal(mayGoOn?: () => Promise<boolean>): Promise<number>;
  /** Whether a whole batch waits to be sealed. */
  waiting(): Promise<boolean>;
  /** Notes in the events how far decisions are sealed, when that has moved. */
  note(): Promise<void>;
  /** Removes what need not be kept any more, behind a checkpoint that tells of it. */
  prune(): Promise<void>;
}

/** Removed at least so many at a time, unless a day has passed: a checkpoint is a link, too. */
const prunedMin = 1000;
const daySeconds = 86_400;
/** Clocks of several servers may differ by so much without costing a seal for each decision. */
const apartSecondsMin = 600;

export function sealer(options: SealerOptions): Sealer {
  const { events, decisions, clock, self } = options;
  const rows = Math.min(options.retain.rows, decisions.rowsMax);
  const retain = { seconds: options.retain.seconds, rows };
  const secondsApart = Math.max(apartSecondsMin, retain.seconds / 24);
  /** Hash of the seal that is known to be noted. */
  let noted = '';
  /** The seal that was made here last: reading it again takes a quarter as long as making it. */
  let newest = { hash: '', last: 0 };
  let prunedAt: Readonly<Record<Chain, number>> = { events: 0, decisions: 0 };

  /** The last decision that is sealed; `head`: where the seals end, when that was just asked. */
  async function sealedThrough(head?: ChainHead | null): Promise<number> {
    const end = head === undefined ? await events.head('decisions') : head;
    if (end && end.hash === newest.hash) return newest.last;
    const row = await lastOfType(events, 'decisions', sealType);
    if (!row) return 0;
    const content = contentOf(row.text);
    const sealed = content && sealedIn(content);
    // Going on from what it says could mean to seal nothing for ever.
    if (!sealed)
      throw new Error(`link ${row.sequence} of the seals is none that a server wrote; see: countersign audit verify`);
    return sealed.last;
  }

  return {
    async seal(mayGoOn = () => Promise.resolve(true)) {
      let count = 0;
      for (;;) {
        const seen = await events.head('decisions');
        const after = await sealedThrough(seen);
        const read = await decisions.list({ after, limit: sealedRowsMax });
        if (read.length === 0) return count;
        const found = read.filter(({ sequence }) => isGivenNumber(sequence));
        if (found.length === 0)
          throw new Error('there are decisions with a number that no server gives; see: countersign audit verify');
        await nextTurn();
        const together = sealedTogether(found, secondsApart);
        const act = sealOver(together, retain);
        const link = await addLink({ events, clock }, 'decisions', (head, now) =>
          // Whoever was faster has sealed these.
          head?.hash === seen?.hash ? linkBehind('decisions', head, act, self, now) : null,
        );
        if (link) {
          count += together.length;
          newest = { hash: link.hash, last: together.at(-1)?.sequence ?? 0 };
        }
        await nextTurn();
        const isLast = together.length === found.length && read.length < sealedRowsMax;
        if (isLast || !(await mayGoOn())) return count;
      }
    },

    async waiting() {
      const after = await sealedThrough();
      return (await decisions.list({ after: after + sealedRowsMax - 1, limit: 1 })).length > 0;
    },

    async note() {
      const head = await events.head('decisions');
      if (!head || head.hash === noted) return;
      const last = await lastOfType(events, 'events', 'decisions.sealed');
      if (!last || contentOf(last.text)?.detail?.['hash'] !== head.hash) {
        const detail = { sequence: head.sequence, hash: head.hash, last: await sealedThrough(head) };
        await recordAct({ events, clock }, { type: 'decisions.sealed', subject: '', detail }, self);
      }
      noted = head.hash;
    },

    async prune() {
      const { seconds, rows: count } = options.retainEvents;
      const last = (await events.head('events'))?.sequence ?? 0;
      await pruneChain('events', Math.max(await oldUntil(seconds), last - count));
      // As long as any of its decisions is there a seal is needed; but a few that outlive a flood of others do not keep them all.
      const sealed = await sealedThrough();
      const [oldest] = await decisions.list({ after: 0, limit: 1 });
      const decisionsFrom = oldest?.sequence ?? sealed + 1;
      await pruneChain('decisions', await sealsBefore(Math.max(decisionsFrom, sealed - 2 * rows)), {
        decisions_from: decisionsFrom,
      });
    },
  };

  /** Number of the last event that is older than this. */
  function oldUntil(seconds: number): Promise<number> {
    const until = clock() - seconds;
    return lastWhere(events, 'events', ({ time }) => time <= until);
  }

  /** Number of the last seal over decisions before this one, since decisions grow with the seals. */
  async function sealsBefore(decision: number): Promise<number> {
    const isBefore = ({ text }: EventRow): boolean => Number(contentOf(text)?.detail?.['last']) < decision;
    return lastWhere(events, 'decisions', isBefore, sealType);
  }

  async function pruneChain(chain: Chain, asked: number, told: Record<string, number> = {}): Promise<void> {
    const [first] = await events.list(chain, { after: 0, limit: 1 });
    const last = Math.min(asked, ((await events.head(chain))?.sequence ?? 0) - 1);
    const removable = first ? last - first.sequence + 1 : 0;
    const patient = removable < prunedMin && clock() - prunedAt[chain] < daySeconds;
    if (removable <= 0 || patient) return;
    prunedAt = { ...prunedAt, [chain]: clock() };
    const [end] = await events.list(chain, { after: last - 1, limit: 1 });
    if (end?.sequence !== last) return;
    const type = chain === 'events' ? 'audit.checkpoint' : 'seal.checkpoint';
    const removed = { removed_through: last, removed_hash: end.hash, removed_count: removable, ...told };
    await addLink({ events, clock }, chain, (head, now) =>
      linkBehind(chain, head, checkpoint(type, removed), self, now),
    );
    await events.prune(chain, last);
  }

  function checkpoint(type: Act['type'], removed: Record<string, number | string>): Act {
    return { type, subject: '', detail: removed };
  }
}
