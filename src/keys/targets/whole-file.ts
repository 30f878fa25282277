import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { randomBase62 } from '../../crypto/random.ts';

/**
 * Replaced by renaming: whoever reads it finds the old text or the new one, after a power cut too. It goes on belonging to whom
 * it belonged.
 */
export function replaceWhole(name: string, text: string, mode = 0o600): void {
  const path = targetOf(name);
  const next = written(path, text, mode);
  try {
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
  syncFolder(dirname(path));
}

/** A file beside the one that is to be replaced, like it but for its text. Throws, leaving nothing, when it cannot be had. */
export function written(name: string, text: string, mode = 0o600): string {
  const path = targetOf(name);
  const owner = statSync(path, { throwIfNoEntry: false });
  const next = join(dirname(path), `.${basename(path)}.${randomBase62(8)}`);
  const file = openSync(next, 'wx', mode);
  try {
    // Whatever the umask was.
    fchmodSync(file, mode);
    writeFileSync(file, text);
    fsyncSync(file);
    if (owner && process.geteuid?.() === 0) fchownSync(file, owner.uid, owner.gid);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return next;
}

/** The file behind a link: what others link to must be what is replaced. */
function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** So that the new name survives a power cut as well as the new text does. */
function syncFolder(folder: string): void {
  const file = openSync(folder, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
