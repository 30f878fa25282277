import { setTimeout as pause } from 'node:timers/promises';
import { clockSkewSecondsMax, inCalendar, type Clock } from '../../core/clock.ts';
import {
  chainStart,
  type Act,
  type Actor,
  type Chain,
  type ChainHead,
  type EventRow,
  type EventStore,
} from '../../core/event.ts';
import { storableText } from '../../core/text/storable-text.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import { bounded } from '../decision-row.ts';
import { terminalSafe } from '../log-line.ts';

/** Characters of what somebody else may choose. */
const nameMax = 512;
const reasonMax = 1024;
/** Others may be faster now and then, never so often. */
const attemptsMax = 100;
const pauseMillisMax = 20;

/** What one link says, in the order in which it is written. */
export interface LinkContent extends Omit<Actor, 'id'> {
  readonly sequence: number;
  /** RFC 3339 with milliseconds. */
  readonly time: string;
  /** What the clock of who wrote it said, where that is far before the link before: one of the two clocks was wrong. */
  readonly clock?: string;
  readonly type: string;
  readonly actor: string;
  readonly subject: string;
  readonly reason: string;
  readonly detail: Act['detail'];
  /** Hash of the link before; chainStart before the first. */
  readonly previous: string;
}

/** The link that comes behind `head`. */
export function linkBehind(chain: Chain, head: ChainHead | null, act: Act, actor: Actor, now: number): EventRow {
  const sequence = (head?.sequence ?? 0) + 1;
  // A clock that was set back must not make what came later look earlier.
  const ours = Math.round(now * 1000) / 1000;
  const time = Math.max(ours, inCalendar(head?.time ?? 0));
  // It stands beside the text as well, and must be there what it is in it.
  const who = storableText(bounded(actor.id, nameMax));
  const content: LinkContent = {
    sequence,
    time: withMillis(time),
    ...(time - ours > clockSkewSecondsMax && { clock: withMillis(ours) }),
    type: act.type,
    actor: who,
    via: actor.via,
    from: bounded(actor.from, nameMax),
    subject: bounded(act.subject, nameMax),
    reason: bounded(act.reason ?? '', reasonMax),
    detail: act.detail ?? {},
    previous: head?.hash ?? chainStart,
  };
  const text = terminalSafe(JSON.stringify(content));
  return { chain, sequence, time, type: act.type, actor: who, text, hash: sha256Hex(text) };
}

function withMillis(epochSeconds: number): string {
  return new Date(Math.round(epochSeconds * 1000)).toISOString();
}

/**
 * A link as a line of an export: its text with its hash behind. Whoever takes the hash off has what was hashed. Our texts are one line
 * that a terminal shows as it is; one that somebody put into the store is made so.
 */
export function linkLine({ text, hash }: Pick<EventRow, 'text' | 'hash'>): string {
  return terminalSafe(
    `${text.slice(0, -1)},"hash":"${hash}"}`.replace(/\p{Cc}/gu, (char) => JSON.stringify(char).slice(1, -1)),
  );
}

export interface LinkOptions {
  readonly events: EventStore;
  readonly clock: Clock;
}

/**
 * Adds a link, however many others do the same: whoever was slower makes it anew. `make` may answer null, when the head
 * says that nothing is to be added. Rejects when the store cannot be reached.
 */
export async function addLink(
  { events, clock }: LinkOptions,
  chain: Chain,
  make: (head: ChainHead | null, now: number) => EventRow | null,
  before: EventRow | null = null,
): Promise<EventRow | null> {
  let tried = before;
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const head = await events.head(chain);
    // An attempt whose answer was lost had succeeded; others may have gone on behind it since.
    if (tried !== null && head?.hash === tried.hash) return tried;
    if (tried !== null && tried === before && (await isKept(events, tried, head))) return tried;
    tried = make(head, clock());
    if (tried === null || (await events.append(tried, head?.hash ?? chainStart))) return tried;
    await pause(Math.random() * Math.min(pauseMillisMax, 2 ** attempt));
  }
  throw new Error('the audit could not be written to: others were faster each time');
}

async function isKept(events: EventStore, row: EventRow, head: ChainHead | null): Promise<boolean> {
  if (head === null || head.sequence <= row.sequence) return false;
  const [kept] = await events.list(row.chain, { after: row.sequence - 1, limit: 1 });
  return kept?.hash === row.hash;
}

/** Adds an event; resolves when it is kept. */
export async function recordAct(options: LinkOptions, act: Act, actor: Actor): Promise<EventRow> {
  const row = await addLink(options, 'events', (head, now) => linkBehind('events', head, act, actor, now));
  return row as EventRow;
}
