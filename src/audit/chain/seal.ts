import type { Act } from '../../core/event.ts';
import { decisionValues, isOfNobody } from '../../core/decision-values.ts';
import type { DecisionRow } from '../../core/store.ts';
import { sha256Base64, sha256Hex } from '../../crypto/digest.ts';
import type { LinkContent } from './link.ts';

export type KeptDecision = DecisionRow & { readonly sequence: number };

/** How many decisions one seal is about at most: as much as is read and hashed without holding up requests. */
export const sealedRowsMax = 500;

export const sealType = 'seal.decisions';

/** Characters of a digest that mark a row within its seal (66 bits); the seal's own digest is over whole ones. */
const markLength = 11;

/** What a seal says of a batch of decisions. */
export interface Sealed {
  /** Numbers of the first and the last decision. */
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** SHA-256 over the digests of all rows, in their order. */
  readonly digest: string;
  /** For each row a character (s for one of nobody proven, which may be forgotten early; - otherwise) and its mark. */
  readonly marks: string;
  /** Numbers between the first and the last that no decision had: [from, to]. */
  readonly gaps: readonly (readonly [number, number])[];
  /** Of the earliest decision, epoch seconds. */
  readonly earliest: number;
  /** What was kept at that time at most. */
  readonly retain: { readonly seconds: number; readonly rows: number };
}

export interface Mark {
  readonly sequence: number;
  readonly mark: string;
  readonly ofStranger: boolean;
}

/** All that a row says, in one unambiguous text. */
function digestOf(row: KeptDecision, sequence = row.sequence): string {
  return sha256Base64(JSON.stringify([sequence, ...decisionValues(row)]) + endless(row));
}

/** JSON writes a number without end as it writes none. No server ever records one. */
function endless({ skewSeconds }: KeptDecision): string {
  return typeof skewSeconds !== 'number' || Number.isFinite(skewSeconds) ? '' : String(skewSeconds);
}

/** The mark of a row, as if it had this number. */
export function markOf(row: KeptDecision, sequence = row.sequence): string {
  return digestOf(row, sequence).slice(0, markLength);
}

export function digestOfAll(rows: readonly KeptDecision[]): string {
  return sha256Hex(rows.map((row) => digestOf(row)).join(''));
}

/** The seal over rows in the order of their numbers; at least one. */
export function sealOver(rows: readonly KeptDecision[], retain: Sealed['retain']): Act {
  const [first, last] = [rows[0]?.sequence ?? 0, rows.at(-1)?.sequence ?? 0];
  const gaps: [number, number][] = [];
  const digests: string[] = [];
  let marks = '';
  let earliest = Number.MAX_VALUE;
  let before = first - 1;
  for (const row of rows) {
    if (row.sequence > before + 1) gaps.push([before + 1, row.sequence - 1]);
    before = row.sequence;
    // Somebody may have put in one with a time that is no number.
    if (Number.isFinite(row.time)) earliest = Math.min(earliest, row.time);
    const digest = digestOf(row);
    digests.push(digest);
    marks += (isOfNobody(row) ? 's' : '-') + digest.slice(0, markLength);
  }
  const digest = sha256Hex(digests.join(''));
  return {
    type: sealType,
    subject: '',
    detail: { first, last, count: rows.length, digest, marks, gaps, earliest, retain: { ...retain } },
  };
}

/**
 * Null for a link that is no seal, or one that no server wrote: whoever made a chain anew may have written anything into it.
 * What is whole is bounded, so that reading it is.
 */
export function sealedIn({ type, detail }: LinkContent): Sealed | null {
  if (type !== sealType || !detail) return null;
  const sealed = detail as unknown as Partial<Sealed>;
  const { first = 0, last = 0, count = 0, gaps, marks, digest, earliest, retain } = sealed;
  const numbers = [first, last, count].every((value) => Number.isSafeInteger(value) && value > 0);
  const limits = [retain?.seconds, retain?.rows].every((value) => Number.isFinite(value) && Number(value) >= 0);
  const whole =
    numbers &&
    limits &&
    first <= last &&
    count <= sealedRowsMax &&
    Number.isFinite(earliest) &&
    typeof digest === 'string' &&
    typeof marks === 'string' &&
    marks.length === count * (markLength + 1) &&
    Array.isArray(gaps) &&
    gaps.length < count &&
    gaps.every((gap) => Array.isArray(gap) && gap.length === 2 && gap.every((value) => Number.isSafeInteger(value))) &&
    addsUp(sealed as Sealed);
  return whole ? (sealed as Sealed) : null;
}

/** Whether every number from the first to the last is either that of a decision or in a gap. */
function addsUp({ first, last, count, gaps }: Sealed): boolean {
  let [before, left] = [first, last - first + 1 - count];
  for (const [from, to] of gaps) {
    if (from <= before || to < from || to >= last) return false;
    [before, left] = [to, left - (to - from + 1)];
  }
  return left === 0;
}

/**
 * The first rows, as far as their times lie together. A seal excuses the removal of its rows once the earliest is too old to be
 * kept: one that claims a great age must not take others along.
 */
export function sealedTogether(rows: readonly KeptDecision[], secondsApart: number): readonly KeptDecision[] {
  let [earliest, latest] = [Infinity, -Infinity];
  const end = rows.findIndex(({ time }) => {
    if (Number.isFinite(time)) [earliest, latest] = [Math.min(earliest, time), Math.max(latest, time)];
    return latest - earliest > secondsApart;
  });
  return end < 0 ? rows : rows.slice(0, end);
}

export function marksIn({ first, last, marks, gaps }: Sealed): Mark[] {
  const found: Mark[] = [];
  let sequence = first;
  for (let at = 0; at < marks.length && sequence <= last; at += markLength + 1) {
    const gap = gaps.find(([from]) => from === sequence);
    if (gap) sequence = gap[1] + 1;
    found.push({ sequence, mark: marks.slice(at + 1, at + 1 + markLength), ofStranger: marks[at] === 's' });
    sequence += 1;
  }
  return found;
}
