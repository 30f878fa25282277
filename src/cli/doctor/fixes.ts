import { closeSync, constants, fchmodSync, fstatSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { appendText } from './append-text.ts';
import type { Fix } from './finding.ts';
import { ignoreLine } from './ignore-line.ts';

/** Does what is safe: takes rights from others, or a name out of git's sight. Throws where the file is not as it was found. */
export function applyFix(folder: string, fix: Fix): void {
  if (fix.kind === 'ignore') {
    appendText(join(folder, '.gitignore'), `${ignoreLine(fix.file)}\n`);
    return;
  }
  // The very file that is opened, so that no link that was put there meanwhile leads the change elsewhere.
  const opened = openSync(resolve(folder, fix.file), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    fchmodSync(opened, fstatSync(opened).mode & fix.mode);
  } finally {
    closeSync(opened);
  }
}
