import type { EventRow } from '../../core/event.ts';
import type { DecisionStore } from '../../core/store.ts';
import type { LinkContent } from './link.ts';
import { digestOfAll, markOf, marksIn, sealedIn, sealType, type KeptDecision, type Mark, type Sealed } from './seal.ts';
import { contentOf, isGivenNumber, type ChainFault, type FaultKind } from './verify-chain.ts';

export interface SealedStand {
  readonly fault: ChainFault | null;
  /** Decisions that are as they were sealed. */
  readonly count: number;
  /** Decisions that are gone, as they may be by what is to be kept. */
  readonly removed: number;
  /** The newest ones, which are not sealed yet. */
  readonly unsealed: number;
}

/** Where decisions and seals are read, in the order of their numbers. */
export interface SealedSource {
  /** The links of the decisions' chain, which was verified before. */
  seals(): AsyncIterable<EventRow>;
  /** The first so many decisions behind a number. */
  decisionsBehind: (after: number, limit: number) => Promise<readonly KeptDecision[]>;
}

const page = 1000;

export function storedDecisions(decisions: DecisionStore): SealedSource['decisionsBehind'] {
  return (after, limit) => decisions.list({ after, limit });
}

/** Holds every decision against its seal, to the first one that is not as it was sealed. `now`: epoch seconds. */
export async function verifyDecisions(source: SealedSource, now: number): Promise<SealedStand> {
  const { allowance, begin } = await foundIn(source, now);
  let [count, removed, last, before] = [0, 0, 0, 0];
  const stand = (fault: ChainFault | null, unsealed = 0): SealedStand => ({ fault, count, removed, unsealed });

  for await (const link of source.seals()) {
    const content = contentOf(link.text);
    if (content?.type !== sealType) continue;
    const sealed = sealedIn(content);
    if (sealed === null || sealed.first <= last) {
      const at = link.sequence;
      const words = `link ${at} of the seals is none that a server wrote`;
      return stand({ chain: 'decisions', kind: 'inserted', from: at, to: at, words });
    }
    const stray = last === 0 ? await strayIn(source, begin) : null;
    if (stray) return stand(stray);
    // Decisions from before the first seal that is kept are no longer sealed.
    const from = last === 0 ? sealed.first - 1 : last;
    const found = (await source.decisionsBehind(from, sealed.count + page)).filter(
      ({ sequence }) => sequence <= sealed.last,
    );
    const { fault, kept, gone } = compared(sealed, found, (mark, place) => allowance(sealed, mark, before + place + 1));
    count += kept;
    removed += gone;
    if (fault) return stand(fault);
    last = sealed.last;
    before += sealed.count;
  }
  if (last === 0) {
    const stray = await strayIn(source, begin);
    if (stray) return stand(stray);
  }
  const { unsealed, fault } = await unsealedBehind(source, last);
  return stand(fault, unsealed);
}

/** The first decision of all, when it is one that cannot be there: neither seals nor what comes behind them would tell of it. */
async function strayIn(source: SealedSource, begin: number): Promise<ChainFault | null> {
  const [first] = await source.decisionsBehind(-Infinity, 1);
  if (!first || first.sequence >= begin) return null;
  return strayFault(
    first.sequence,
    isGivenNumber(first.sequence) ? `it was not there when ${begin} was the first` : null,
  );
}

function strayFault(at: number, why: string | null = null): ChainFault {
  const words = `decision ${at} was inserted: ${why ?? 'no server gives such a number'}`;
  return { chain: 'decisions', kind: 'inserted', from: at, to: at, words };
}

/** How many there are, and the first of them with a number that is never given. */
async function unsealedBehind(source: SealedSource, last: number): Promise<Pick<SealedStand, 'unsealed' | 'fault'>> {
  let unsealed = 0;
  let fault: ChainFault | null = null;
  for (let after = last; ;) {
    const rows = await source.decisionsBehind(after, page);
    const stray = rows.find(({ sequence }) => !isGivenNumber(sequence));
    if (stray) fault ??= strayFault(stray.sequence);
    unsealed += rows.length;
    after = rows.at(-1)?.sequence ?? after;
    if (rows.length < page) return { unsealed, fault };
  }
}

/** Whether a decision that is gone may be gone; `rank` counts the sealed ones, and the strangers' among them, from 1. */
type Allowance = (sealed: Sealed, mark: Mark, rank: number) => boolean;

interface Found {
  readonly allowance: Allowance;
  /** The first decision that may be there. */
  readonly begin: number;
}

/**
 * What may be missing follows from the seals alone: each says what was kept at its time, so nobody can excuse a removal by
 * changing the configuration afterwards.
 */
async function foundIn(source: SealedSource, now: number): Promise<Found> {
  let [all, strangers] = [0, 0];
  let [floor, strangersFloor, oldest] = [0, 0, -Infinity];
  let last: Sealed | null = null;
  let first: { readonly row: EventRow; readonly previous: string } | null = null;
  let begin = 1;
  const strangersBefore = new Map<number, number>();
  const take = ({ retain }: Sealed, time: number, beyond: number): void => {
    floor = Math.max(floor, all + beyond - retain.rows);
    strangersFloor = Math.max(strangersFloor, strangers + beyond - Math.floor(retain.rows / 2));
    oldest = Math.max(oldest, time - retain.seconds);
  };
  for await (const row of source.seals()) {
    const content = contentOf(row.text);
    if (!content) continue;
    first ??= { row, previous: content.previous };
    begin = beginningAt(first, content) ?? begin;
    const sealed = sealedIn(content);
    if (!sealed) continue;
    // The first seal of all is over whatever was there.
    if (last === null && first.row.sequence === 1) begin = sealed.first;
    strangersBefore.set(sealed.first, strangers);
    all += sealed.count;
    strangers += marksIn(sealed).filter(({ ofStranger }) => ofStranger).length;
    take(sealed, row.time, 0);
    last = sealed;
  }
  if (last) take(last, now, (await unsealedBehind(source, last.last)).unsealed);
  const allowance: Allowance = (sealed, mark, rank) => {
    if (rank <= floor || sealed.earliest < oldest) return true;
    if (!mark.ofStranger || strangersFloor <= 0) return false;
    const earlier = marksIn(sealed).filter(({ ofStranger, sequence }) => ofStranger && sequence <= mark.sequence);
    return (strangersBefore.get(sealed.first) ?? 0) + earlier.length <= strangersFloor;
  };
  return { allowance, begin };
}

/** The first decision that was there when what came before this first link was removed, in the checkpoint that tells of that. */
function beginningAt(
  first: { readonly row: EventRow; readonly previous: string },
  { detail }: LinkContent,
): number | null {
  const told = `${Number(detail?.['removed_through'])} ${String(detail?.['removed_hash'])}`;
  const from = Number(detail?.['decisions_from']);
  return told === `${first.row.sequence - 1} ${first.previous}` && isGivenNumber(from) ? from : null;
}

interface Compared {
  readonly fault: ChainFault | null;
  readonly kept: number;
  readonly gone: number;
}

function compared(
  sealed: Sealed,
  rows: readonly KeptDecision[],
  mayBeGone: (mark: Mark, place: number) => boolean,
): Compared {
  const marks = marksIn(sealed);
  const expected = new Map(marks.map((mark) => [mark.sequence, mark]));
  let kept = 0;
  let gone = 0;
  let before = 0;
  let next = 0;
  const stop = (kind: FaultKind, sequence: number, words: string): Compared => ({
    fault: { chain: 'decisions', kind, from: sequence, to: sequence, words },
    kept,
    gone,
  });
  const missing = (until: number): Compared | null => {
    for (let mark = marks[next]; mark && mark.sequence < until; mark = marks[(next += 1)]) {
      if (!mayBeGone(mark, next)) return stop('missing', mark.sequence, `decision ${mark.sequence} is missing`);
      gone += 1;
    }
    return null;
  };
  for (const row of rows) {
    if (row.sequence === before) return stop('inserted', before, `decision ${before} is there twice`);
    before = row.sequence;
    const stopped = missing(before);
    if (stopped) return stopped;
    const mark = expected.get(row.sequence);
    if (!mark) return stop('inserted', row.sequence, `decision ${row.sequence} was inserted: nobody sealed it`);
    if (markOf(row) !== mark.mark) {
      const home = marks.find((other) => markOf(row, other.sequence) === other.mark);
      return home
        ? stop('reordered', row.sequence, `decision ${home.sequence} stands in place of ${row.sequence}`)
        : stop('changed', row.sequence, `decision ${row.sequence} was changed`);
    }
    next += 1;
    kept += 1;
  }
  const stopped = missing(sealed.last + 1);
  if (stopped) return stopped;
  // Marks tell where; the digest tells that there is nothing else.
  if (gone === 0 && digestOfAll(rows) !== sealed.digest)
    return stop('changed', sealed.first, `one of the decisions ${sealed.first} to ${sealed.last} was changed`);
  return { fault: null, kept, gone };
}
