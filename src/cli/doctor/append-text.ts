import { closeSync, constants, fstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { refused } from '../failure.ts';

const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Adds whole lines to a file, which is made where it is missing. A link is not followed: in a folder of somebody else it would
 * lead to any file that we may write. Throws a Failure that names the file.
 */
export function appendText(path: string, text: string): void {
  try {
    const file = openSync(path, flags, 0o644);
    try {
      if (!fstatSync(file).isFile()) throw new Error('it is no file');
      const before = readFileSync(file, 'utf8');
      writeSync(file, `${before === '' || before.endsWith('\n') ? '' : '\n'}${text}`);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw refused(`${path} was left alone: ${code === 'ELOOP' ? 'it is a link' : message}`);
  }
}
