import { readdirSync, statSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isMomentary } from './read-secret.ts';

export interface FollowOptions {
  /** Absolute; '*' stands for any characters within the last component. */
  readonly pattern: string;
  readonly pollMillis: number;
  /**
   * The matching paths in order, whenever they may have changed, and a fault that is not about one file. Null paths: the
   * machine could not look just now.
   */
  readonly onLook: (paths: readonly string[] | null, fault: string | null) => void;
}

export interface Following {
  /** Looks at once. */
  look(): void;
  close(): void;
}

const quietMillis = 50;
const waitMillisMax = 1000;

/**
 * Follows the FOLDER, never a file: whoever replaces a file by renaming, and Kubernetes with its ..data link, leaves a watch
 * on the file looking at the old one for ever. A slow poll covers what a watch loses: folders that do not exist yet, are
 * replaced, or lie on a file system without notices.
 */
export function followFiles({ pattern, pollMillis, onLook }: FollowOptions): Following {
  const folder = dirname(pattern);
  const matches = matcher(basename(pattern));
  let watcher: FSWatcher | null = null;
  let watched = '';
  let watchFault: string | null = null;
  let quiet: NodeJS.Timeout | null = null;
  let firstNotice = 0;

  function look(): void {
    if (quiet) clearTimeout(quiet);
    quiet = null;
    followFolder();
    let names: string[] | null = [];
    let fault = watchFault;
    try {
      names = readdirSync(folder).filter(matches).sort();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // A folder that is not there yet is usual: the poll finds it when it comes.
      if (isMomentary(error)) names = null;
      if (code !== 'ENOENT') fault = `${folder}: cannot be listed (${code ?? 'unknown error'})`;
    }
    onLook(names && names.map((name) => join(folder, name)), fault);
  }

  /** A watch belongs to the folder it was opened on; another folder under the same name needs another watch. */
  function followFolder(): void {
    const identity = identityOf(folder);
    if (identity === watched) return;
    watcher?.close();
    watcher = null;
    watched = identity;
    watchFault = null;
    if (identity === '') return;
    try {
      watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || name.startsWith('..') || name === basename(folder) || matches(name)) notice();
      });
      watcher.on('error', () => lost('the watch broke'));
    } catch (error) {
      lost((error as NodeJS.ErrnoException).code ?? 'unknown error');
    }
  }

  function lost(why: string): void {
    watcher?.close();
    watcher = null;
    // Tried again at the next look.
    watched = '';
    watchFault = `${folder}: cannot be watched (${why}); it is read every ${pollMillis} ms instead`;
  }

  /** Waits until writing has paused, since half a key is a different key; but not for ever. */
  function notice(): void {
    const now = performance.now();
    if (quiet) clearTimeout(quiet);
    else firstNotice = now;
    quiet = setTimeout(look, Math.max(0, Math.min(quietMillis, firstNotice + waitMillisMax - now)));
    quiet.unref();
  }

  const poll = setInterval(() => {
    if (!quiet) look();
  }, pollMillis);
  poll.unref();

  return {
    look,
    close() {
      clearInterval(poll);
      if (quiet) clearTimeout(quiet);
      watcher?.close();
      watcher = null;
    },
  };
}

function matcher(pattern: string): (name: string) => boolean {
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  const whole = new RegExp(`^${source}$`, 's');
  // As in a shell, a leading * does not mean hidden files.
  return (name) => whole.test(name) && (!name.startsWith('.') || pattern.startsWith('.'));
}

function identityOf(folder: string): string {
  try {
    const stat = statSync(folder, { bigint: true });
    return `${stat.dev}:${stat.ino}`;
  } catch {
    return '';
  }
}
