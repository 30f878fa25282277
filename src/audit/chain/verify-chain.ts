import { chainStart, type Chain, type EventRow } from '../../core/event.ts';
import { sha256Hex } from '../../crypto/digest.ts';
import type { LinkContent } from './link.ts';

export type FaultKind = 'changed' | 'missing' | 'inserted' | 'reordered' | 'truncated' | 'rewritten' | 'out_of_reach';

/** The first thing that is not as it was written. */
export interface ChainFault {
  readonly chain: Chain;
  readonly kind: FaultKind;
  /** Numbers of the links, or of the decisions, that it is about. */
  readonly from: number;
  readonly to: number;
  /** For people; nothing of the content. */
  readonly words: string;
}

/** An end of a chain that was noted elsewhere. */
export interface ExpectedEnd {
  readonly sequence: number;
  readonly hash: string;
}

/**
 * Where the seals ended when an event told of it; null when no server would have told so. Of several the furthest counts: whoever cuts
 * off the end can add an event of a nearer one.
 */
export function notedEnd({ detail }: LinkContent): ExpectedEnd | null {
  const [sequence, hash] = [detail?.['sequence'], detail?.['hash']];
  const whole = typeof sequence === 'number' && isGivenNumber(sequence) && typeof hash === 'string';
  return whole ? { sequence, hash } : null;
}

export interface ChainStand {
  readonly fault: ChainFault | null;
  readonly count: number;
  readonly first: number | null;
  readonly last: ExpectedEnd | null;
}

export interface VerifyOptions {
  /** In the order in which they are kept. */
  readonly rows: AsyncIterable<EventRow> | Iterable<EventRow>;
  readonly chain: Chain;
  /** None: whether the end was cut off cannot be told. */
  readonly expected: readonly ExpectedEnd[];
  /** True for a part that begins later on purpose. */
  readonly partial?: boolean;
  /** Whether a link of this number comes later, where the order is anybody's: in a file. */
  readonly comesLater?: (sequence: number) => boolean;
  /** Sees each link that is as it was written. */
  readonly onLink?: (row: EventRow, content: LinkContent) => void;
}

type Read = { readonly row: EventRow; readonly content: LinkContent | null };

/** Walks along the chain to the first fault, and holds it against the expected end. */
export async function verifyChain(options: VerifyOptions): Promise<ChainStand> {
  const { chain, expected, partial = false, onLink } = options;
  const fault = (kind: FaultKind, from: number, to: number, words: string): ChainFault => ({
    chain,
    kind,
    from,
    to,
    words,
  });
  const checkpoints = new Set<string>();
  let first: Read | null = null;
  let before: Read | null = null;
  let grandparent = chainStart;
  let count = 0;
  const stand = (found: ChainFault | null): ChainStand => ({
    fault: found,
    count,
    first: first?.row.sequence ?? null,
    last: before && { sequence: before.row.sequence, hash: before.row.hash },
  });

  for await (const [row, next] of inPairs(options.rows)) {
    const read: Read = { row, content: contentOf(row.text) };
    const found = faultOf({ read, next, before, grandparent, first: first === null, partial, options });
    if (found) return stand(fault(found.kind, found.from, found.to, found.words));
    if (expected.some(({ sequence, hash }) => sequence === row.sequence && hash !== row.hash))
      return stand(
        fault(
          'rewritten',
          first?.row.sequence ?? row.sequence,
          row.sequence,
          `link ${row.sequence} is another than the one that was noted: it, or what comes before it, was rewritten`,
        ),
      );
    const content = read.content as LinkContent;
    if (content.type.endsWith('.checkpoint')) checkpoints.add(checkpointOf(content));
    onLink?.(row, content);
    grandparent = before?.row.hash ?? content.previous;
    first ??= read;
    before = read;
    count += 1;
  }
  return stand(endFault());

  function endFault(): ChainFault | null {
    const start = first?.row.sequence ?? 1;
    if (start > 1 && !partial && !checkpoints.has(`${start - 1} ${first?.content?.previous}`))
      return fault(
        'missing',
        1,
        start - 1,
        `links 1 to ${start - 1} are missing, and no checkpoint tells of their removal`,
      );
    const ends = expected.map(({ sequence }) => sequence);
    const last = before?.row.sequence ?? 0;
    const [furthest, nearest] = [Math.max(0, ...ends), Math.min(Infinity, ...ends)];
    if (last < furthest)
      return fault(
        'truncated',
        last + 1,
        furthest,
        `the end is missing: ${last === 0 ? 'nothing is there' : `link ${last} is the last one`}, and ${furthest} was noted`,
      );
    if (nearest < start)
      return fault(
        'out_of_reach',
        nearest,
        nearest,
        `link ${nearest}, which was noted, has been removed since: nothing here can be held against it; note a newer end`,
      );
    return null;
  }
}

/** "through hash" of what a checkpoint says was removed. */
function checkpointOf({ detail }: LinkContent): string {
  return `${Number(detail?.['removed_through'])} ${String(detail?.['removed_hash'])}`;
}

interface Looking {
  readonly read: Read;
  readonly next: EventRow | null;
  readonly before: Read | null;
  /** Hash of the link before the one before. */
  readonly grandparent: string;
  readonly first: boolean;
  readonly partial: boolean;
  readonly options: VerifyOptions;
}

type Found = Omit<ChainFault, 'chain'>;

function faultOf(looking: Looking): Found | null {
  const { read, before, first, partial, options } = looking;
  const { row, content } = read;
  const at = row.sequence;
  const one = (kind: FaultKind, sequence: number, words: string): Found => ({
    kind,
    from: sequence,
    to: sequence,
    words,
  });
  if (!isGivenNumber(at)) return one('inserted', at, `link ${at} was inserted: no server gives such a number`);
  if (content === null || sha256Hex(row.text) !== row.hash)
    return one('changed', at, `link ${at} was changed: its hash is not that of its text`);
  if (content.type.startsWith('seal.') !== (options.chain === 'decisions'))
    return one('inserted', at, `link ${at} was inserted: what it says belongs into the other chain`);
  if (content.sequence !== at) {
    // Its number was moved on to make room for the one before it.
    if (before && content.sequence === at - 1 && content.previous === looking.grandparent)
      return one('inserted', at - 1, `link ${at - 1} was inserted: the one behind it had its place`);
    return one('reordered', at, `link ${content.sequence} stands in place of ${at}`);
  }
  if (columnsDiffer(row, content))
    return one('changed', at, `link ${at} was changed: what is looked up by is not what its text says`);
  if (first) {
    if (at === 1 && content.previous !== chainStart && !partial)
      return one('changed', at, 'link 1 was changed: it names one before it');
    if (at > 1 && options.comesLater?.(1)) return one('reordered', at, `link ${at} stands before link 1`);
    return null;
  }
  return orderFault(looking, content);
}

function orderFault({ read, next, before, options }: Looking, content: LinkContent): Found | null {
  const { sequence: at } = read.row;
  const expected = (before?.row.sequence ?? 0) + 1;
  if (at > expected) {
    if (options.comesLater?.(expected))
      return { kind: 'reordered', from: expected, to: expected, words: `link ${at} stands where ${expected} belongs` };
    const which = expected === at - 1 ? `link ${expected} is` : `links ${expected} to ${at - 1} are`;
    return { kind: 'missing', from: expected, to: at - 1, words: `${which} missing` };
  }
  if (at < expected)
    return { kind: 'inserted', from: at, to: at, words: `link ${at} comes again behind link ${expected - 1}` };
  if (content.previous === before?.row.hash) return null;
  // Whom the next one was chained to, or who was noted, is the one that was there.
  const noted = options.expected.every(({ sequence, hash }) => sequence !== at || hash === read.row.hash);
  const original = next === null ? noted : contentOf(next.text)?.previous === read.row.hash;
  const changed = original ? expected - 1 : at;
  return {
    kind: 'changed',
    from: changed,
    to: changed,
    words: `link ${changed} was changed, or put in place of another`,
  };
}

/** A time that is no number, which some databases keep, differs from every one. */
function columnsDiffer(row: EventRow, content: LinkContent): boolean {
  const { time, type, actor } = content;
  return type !== row.type || actor !== row.actor || !(Math.abs(Date.parse(time) / 1000 - row.time) <= 0.0005);
}

/** Links and decisions count from 1. Whoever writes to the store itself may choose another number, which they are seen by. */
export function isGivenNumber(sequence: number): boolean {
  return Number.isSafeInteger(sequence) && sequence > 0;
}

export function contentOf(text: string): LinkContent | null {
  try {
    const value = JSON.parse(text) as Partial<LinkContent> | null;
    const whole =
      typeof value?.sequence === 'number' && typeof value.previous === 'string' && typeof value.type === 'string';
    return whole ? (value as LinkContent) : null;
  } catch {
    return null;
  }
}

async function* inPairs(rows: VerifyOptions['rows']): AsyncGenerator<[EventRow, EventRow | null]> {
  let held: EventRow | null = null;
  for await (const row of rows) {
    if (held) yield [held, row];
    held = row;
  }
  if (held) yield [held, null];
}
