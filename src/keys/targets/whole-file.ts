import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
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

const linksMax = 40;

/**
 * The file behind a link: what others link to must be what is replaced. Only behind a link of ours, of root's, or of whom the file
 * belongs to (as the kernel's `protected_symlinks` has it): the owner of a folder could have us write over any file otherwise.
 */
function targetOf(path: string): string {
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    return path;
  }
  const { uid: owner } = statSync(real);
  const trusted = new Set([0, process.geteuid?.() ?? owner, owner]);
  let at = path;
  for (let count = 0; count < linksMax; count += 1) {
    const found = lstatSync(at);
    if (!found.isSymbolicLink()) return real;
    if (!trusted.has(found.uid)) {
      const words = `is a link of user ${found.uid} to a file of user ${owner}`;
      throw Object.assign(new Error(`${at} ${words}`), { code: `it ${words}` });
    }
    at = resolve(dirname(at), readlinkSync(at));
  }
  return real;
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
