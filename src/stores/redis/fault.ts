import { StoreError } from '../../core/store.ts';

const readOnly = 'is read only; name the primary';

/** The first word of what Redis answers with, in an operator's words. */
const WORDS: Readonly<Record<string, string>> = {
  WRONGPASS: 'refuses the user or the password; check both in the URL',
  NOAUTH: 'wants a password; write it into the URL',
  NOPERM: 'does not allow the user to do this; allow it all commands on the keys and channels countersign:*',
  OOM: 'is full (maxmemory); give it more memory',
  LOADING: 'is reading its data back and not ready yet',
  READONLY: readOnly,
  MISCONF: 'cannot save to its disk and takes no writes; make room',
  BUSY: 'is busy with the script of somebody else',
  MASTERDOWN: 'has lost its primary',
  WRONGTYPE:
    'holds something of another type under a name of ours: another program wrote it; docs/stores.md has the types',
};

/**
 * Whatever was thrown while asking the server, as a StoreError; misuse (a TypeError) stays what it is. What ioredis throws
 * holds the command with its values, so nothing of it is passed on but its first word or code. `why` is the last fault of
 * the connection; `place` is host, port and number.
 */
export function storeFault(error: unknown, place: string, why: string | null): unknown {
  if (!(error instanceof Error) || error instanceof StoreError || error instanceof TypeError) return error;
  const unavailable = (words: string): StoreError => new StoreError('store_unavailable', `Redis at ${place} ${words}`);
  if (error.name === 'ReplyError') {
    // Our own scripts say so: a name of ours, and a type.
    const [, key, type] = /^ODDKEY (\S+) (\w+)$/.exec(error.message) ?? [];
    if (key !== undefined)
      return unavailable(
        `holds a ${type} under ${key}, where something of another type belongs: another program or another version of countersign wrote it; rename or delete it`,
      );
    const word = /^[A-Z]+/.exec(error.message)?.[0] ?? 'ERR';
    return unavailable(`${WORDS[word] ?? 'cannot do what was asked'} (Redis: ${word})`);
  }
  if (error.message === 'Command timed out') return unavailable('does not answer in time');
  return unavailable(`cannot be reached (${why ?? 'the connection is closed'})`);
}

/** What any write would answer. */
export function readOnlyFault(place: string): StoreError {
  return new StoreError('store_unavailable', `Redis at ${place} ${readOnly}`, { readOnly: true });
}

/** The server has no database of the number, or does not let us have it. */
export function isOfSelect(error: Error): boolean {
  return 'command' in error && (error.command as { name?: string } | undefined)?.name === 'select';
}

export function codeOf(error: Error): string {
  if (error.name === 'ReplyError') return /^[A-Z]+/.exec(error.message)?.[0] ?? 'ERR';
  return 'code' in error && typeof error.code === 'string' ? error.code : 'the connection broke';
}
