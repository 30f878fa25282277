import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { StoreError } from '../../core/store.ts';
import { openConnection, type Connection } from './connection.ts';
import { readOnlyFault, storeFault } from './fault.ts';

/** The file and its two connections, opened when they are first needed: what fails is then a verb, not the construction. */
export interface Database {
  readonly file: string;
  /** Whether the file is there; asking does not make it. */
  exists(): boolean;
  /** For what must not be lost: keys, tokens, modes, revocations. */
  readonly durable: Connection;
  /** For limits, one-time values and decisions, which need not survive a power cut. */
  readonly quick: Connection;
  /** Does the work at once; what SQLite or the file system throws becomes a StoreError that names the file. */
  step<T>(work: () => T): Promise<T>;
  /** Throws when the file was removed or replaced: what is written to it then reaches nobody. So does every step from then on, until it is back. */
  checkInPlace(): void;
  /** Throws when the file was opened by a user who may not write to it: SQLite opens it all the same, for reading. */
  checkWritable(): void;
  close(): void;
}

const durableBusyMillis = 5000;
// Shorter, since requests wait for these.
const quickBusyMillis = 1000;

export function openDatabase(name: string): Database {
  // Absolute, so that neither ':memory:' nor 'file:…?mode=' means anything but a file.
  const file = resolve(name);
  let durable: Connection | null = null;
  let quick: Connection | null = null;
  let inode: bigint | null = null;
  let writable = true;
  let misplaced = false;
  let closed = false;

  const closedError = () => new StoreError('store_unavailable', `the store on ${file} is closed`);

  function checkInPlace(): void {
    misplaced = inode !== null && statSync(file, { bigint: true, throwIfNoEntry: false })?.ino !== inode;
    if (!misplaced) return;
    throw new StoreError(
      'store_unavailable',
      `the database ${file} was removed or replaced while in use; put it back or restart this process to use the new one`,
    );
  }

  return {
    file,
    exists: () => existsSync(file),
    get durable() {
      if (durable) return durable;
      if (closed) throw closedError();
      create(file);
      durable = openConnection(file, { synchronous: 'FULL', busyMillis: durableBusyMillis });
      inode = statSync(file, { bigint: true }).ino;
      writable = isWritable(file);
      return durable;
    },
    get quick() {
      // After the durable one, which creates the file.
      void this.durable;
      return (quick ??= openConnection(file, { synchronous: 'NORMAL', busyMillis: quickBusyMillis }));
    },
    async step(work) {
      if (closed) throw closedError();
      try {
        if (misplaced) checkInPlace();
        return work();
      } catch (error) {
        throw storeFault(error, file);
      }
    },
    checkInPlace,
    checkWritable() {
      if (!writable) throw readOnlyFault(file);
    },
    close() {
      closed = true;
      quick?.close();
      durable?.close();
      quick = durable = null;
    },
  };
}

function isWritable(file: string): boolean {
  try {
    accessSync(file, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Created by us, so that it is never readable for others; SQLite gives -wal and -shm the mode of the file itself. Its folder is
 * made, but none above: a path of which more is missing is mistyped, and a new store there would know nobody.
 */
function create(file: string): void {
  if (!existsSync(dirname(file))) makeFolder(dirname(file));
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process made it in the same moment.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
