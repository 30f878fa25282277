import type { Clock } from './clock.ts';

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** What a caller writes: a small document under a kind and an id. */
export interface RecordEntry {
  /** Lower-case letters and dashes: 'ramp', 'operator'. */
  readonly kind: string;
  /** Visible ASCII, 1 to 512 characters; whatever else names a thing is encoded or digested by who writes it. */
  readonly id: string;
  readonly value: JsonValue;
  /** Epoch seconds; from then on it is as if it had never been there. Null for no end. */
  readonly expiresAt: number | null;
}

export interface StoredRecord extends RecordEntry {
  /** Another one after every write, never used twice: what was removed and written anew is told from what was there before. */
  readonly revision: string;
}

/**
 * Small documents that must not be lost, changed by compare-and-set. For what is read seldom and written seldom by several at
 * once: ramps, leases, accounts, clients. Every verb is atomic; `now` is in epoch seconds.
 */
export interface RecordStore {
  /** Null when there is none, or it has expired. */
  get(kind: string, id: string, now: number): Promise<StoredRecord | null>;
  /** Those of one kind that have not expired, by id; with `after` those behind that id. At most `limit`, 1000 unless said. */
  list(kind: string, now: number, page?: RecordPage): Promise<StoredRecord[]>;
  /** Every kind of which something is kept, in order; all of it may have expired. For whoever wants everything. */
  kinds(): Promise<string[]>;
  /**
   * Writes only while the stored revision is `expected`, and with null only while there is none (or it has expired). Resolves to
   * what is stored now, or to null when somebody else was faster. Rejects with code 'record_invalid' for what can be stored by
   * nobody.
   */
  put(entry: RecordEntry, expected: string | null, now: number): Promise<StoredRecord | null>;
  /** Removes only while the stored revision is `expected`; false when somebody else was faster. */
  remove(kind: string, id: string, expected: string, now: number): Promise<boolean>;
  /** Removes what expired before `before`, a thousand at a time; resolves to how many. */
  deleteExpired(before: number): Promise<number>;
}

export interface RecordPage {
  readonly after?: string;
  readonly limit?: number;
}

const recordBytesMax = 262_144;
export const recordsListedMax = 1000;

/** All of one kind that have not expired, by id, however many there are. */
export async function everyRecord(
  records: Pick<RecordStore, 'list'>,
  kind: string,
  now: number,
): Promise<StoredRecord[]> {
  const found: StoredRecord[] = [];
  for (;;) {
    const page = await records.list(kind, now, { after: found.at(-1)?.id ?? '' });
    found.push(...page);
    if (page.length < recordsListedMax) return found;
  }
}

const attemptsMax = 20;

/**
 * Writes what `change` makes of what stands there, which is null for nothing; asked anew for as long as somebody else is faster.
 * Null from `change` leaves it as it is. False where it went on being written.
 */
export async function changeRecord(
  records: Pick<RecordStore, 'get' | 'put'>,
  { kind, id, clock }: Pick<RecordEntry, 'kind' | 'id'> & { readonly clock: Clock },
  change: (before: StoredRecord | null) => Pick<RecordEntry, 'value' | 'expiresAt'> | null,
): Promise<boolean> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const now = clock();
    const before = await records.get(kind, id, now);
    const next = change(before);
    if (next === null || (await records.put({ kind, id, ...next }, before?.revision ?? null, now))) return true;
  }
  return false;
}

/** Removes it, however often it is written meanwhile; nothing has to be there. False where it went on being written. */
export async function eraseRecord(
  records: Pick<RecordStore, 'get' | 'remove'>,
  kind: string,
  id: string,
  now: number,
): Promise<boolean> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const found = await records.get(kind, id, now);
    if (!found || (await records.remove(kind, id, found.revision, now))) return true;
  }
  return false;
}

/** Removes all that expired before `before`, however much it is. */
export async function eraseExpired(records: Pick<RecordStore, 'deleteExpired'>, before: number): Promise<void> {
  while ((await records.deleteExpired(before)) > 0);
}

/** Thrown for an entry that no store takes; compared by code. */
export class RecordError extends Error {
  readonly code = 'record_invalid';
  constructor(message: string) {
    super(message);
    this.name = 'RecordError';
  }
}

/** The value as it is stored. Throws a RecordError where kind, id or size are not as they must be. */
export function recordText({ kind, id, value, expiresAt }: RecordEntry): string {
  if (!/^[a-z]+(?:-[a-z]+)*$/.test(kind)) throw new RecordError(`"${kind}" is no kind of record: letters and dashes`);
  if (!/^[\x21-\x7e]{1,512}$/.test(id))
    throw new RecordError(`an id of a ${kind} is 1 to 512 visible ASCII characters`);
  if (expiresAt !== null && !Number.isFinite(expiresAt)) throw new RecordError(`the end of a ${kind} is no time`);
  const text = JSON.stringify(value);
  if (text === undefined) throw new RecordError(`the value of ${kind} ${id} is no JSON`);
  const bytes = Buffer.byteLength(text);
  if (bytes > recordBytesMax)
    throw new RecordError(`${kind} ${id} would be ${bytes} bytes; a record has at most ${recordBytesMax}`);
  return text;
}
