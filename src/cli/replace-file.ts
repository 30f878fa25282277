import { chmodSync, constants, copyFileSync, renameSync, rmSync, statSync, writeFileSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { rfc3339, systemClock } from '../core/clock.ts';
import { refused } from './failure.ts';

/**
 * Writes a file whole or not at all: whoever reads it meanwhile sees what was there before. The permissions stay; a new file
 * gets `mode`. Throws a Failure that names the file.
 */
export function replaceFile(path: string, text: string, mode = 0o644): void {
  const file = resolve(path);
  const beside = `${file}.${process.pid}.new`;
  try {
    const before = fileAt(path);
    writeFileSync(beside, text, { mode, flag: 'wx' });
    if (before) chmodSync(beside, before.mode & 0o777);
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'refused') throw error;
    throw refused(`${path} cannot be written: ${message}`, `Is ${dirname(file)} there, and yours to write to?`);
  }
}

/** Null where nothing is; a folder, a terminal or a pipe cannot be written over. */
function fileAt(path: string): Stats | null {
  const found = statSync(path, { throwIfNoEntry: false }) ?? null;
  if (found && !found.isFile()) throw refused(`${path} is no file`, 'Name a file to write to.');
  return found;
}

/** Copies what a command is about to write over, with its mode: 'FILE.before-learn-2026-11-28T010203Z', which it returns. */
export function keepBefore(command: string, file: string): string {
  fileAt(file);
  const named = `${file}.before-${command}-${rfc3339(systemClock()).replaceAll(':', '')}`;
  // Twice within a second: neither copy is to replace the other.
  for (let number = 1; ; number += 1) {
    const backup = number === 1 ? named : `${named}-${number}`;
    try {
      copyFileSync(file, backup, constants.COPYFILE_EXCL);
      return backup;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST') throw refused(`${file} cannot be kept as ${backup}: ${message}`);
    }
  }
}
