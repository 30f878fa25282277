import { StoreError } from '../../core/store.ts';

const readOnly = 'cannot be written; make the file and its folder writable for the user that runs this';

/** SQLite's primary result codes (sqlite.org/rescode.html) in an operator's words: what happened, and what to do. */
const WORDS: Readonly<Record<number, string>> = {
  1: 'has another schema than this version expects: it is not migrated yet, or was changed by hand',
  3: 'may not be used; check who owns it',
  5: 'is locked by another process that is writing for too long; find it with "fuser" and let it finish',
  6: 'is locked by another process that is writing for too long; find it with "fuser" and let it finish',
  8: readOnly,
  10: 'cannot be read or written because of a fault of the disk or the file system; check both',
  11: 'is damaged; stop every process that uses it and restore it from a backup',
  13: 'cannot grow, the disk is full; make room',
  14: 'cannot be opened; check that it is a file, and that the user that runs this may read and write it and its folder',
  26: 'is not a SQLite database; name another file, or move this one away',
};

const busyCodes: readonly number[] = [5, 6];
const duplicateCodes: readonly number[] = [1555, 2067];

/** Whatever was thrown while working on the file, as a StoreError; misuse (a TypeError) stays what it is. */
export function storeFault(error: unknown, file: string): unknown {
  if (!(error instanceof Error) || error instanceof StoreError) return error;
  const result = resultCode(error);
  if (result !== null) {
    if (duplicateCodes.includes(result))
      return new StoreError('duplicate', `stored already (${error.message})`, { cause: error });
    const words = WORDS[result & 0xff] ?? 'does not answer';
    return new StoreError('store_unavailable', `the database ${file} ${words} (SQLite: ${error.message})`, {
      cause: error,
    });
  }
  if ('syscall' in error) {
    const words = 'check that the folder exists, that it is one, and that the user that runs this may write to it';
    return new StoreError('store_unavailable', `the database ${file} cannot be created: ${error.message}; ${words}`, {
      cause: error,
    });
  }
  return error;
}

/** What any write would answer. */
export function readOnlyFault(file: string): StoreError {
  return new StoreError('store_unavailable', `the database ${file} ${readOnly}`, { readOnly: true });
}

export function isBusy(error: unknown): boolean {
  const result = resultCode(error);
  return result !== null && busyCodes.includes(result & 0xff);
}

/** SQLite's extended result code, or null when the error did not come from SQLite. */
function resultCode(error: unknown): number | null {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : null;
}
