import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { readSecretFile } from '../../keys/sources/read-secret.ts';
import { placed, type Findings } from './findings.ts';
import type { Place } from './place.ts';

/** Checks of the files that a configuration names; relative paths begin at `folder`. */
export interface FileChecks {
  /** The file must be there now; where the files are not needed, an absent one is a warning. */
  present(place: Place, found: Findings): void;
  /** As present, and warned of where it is there and would not be used when its time comes: others can read it, say. */
  secret(place: Place, found: Findings): void;
  /** A file that is to be written: its folder must be there by then, so an absent one is a warning. */
  writable(place: Place, found: Findings): void;
  /** A pattern of key files: its folder may come later, so an absent one is a warning. */
  pattern(place: Place, found: Findings): void;
}

export function fileChecks(folder: string, needed = true): FileChecks {
  function present(place: Place, found: Findings): void {
    if (place.text === null || place.text === '') return;
    const file = resolve(folder, place.text);
    const kind = kindOf(file);
    if (kind === 'file') return;
    const message =
      kind === 'absent'
        ? `the file ${file} does not exist`
        : kind === 'folder'
          ? `${file} is a folder`
          : `the file ${file} cannot be reached`;
    const isMistake = needed || kind === 'folder';
    (isMistake ? found.faults : found.warnings).push(
      place.fault(message, 'write the path of a file; a relative one starts at the folder of the configuration'),
    );
  }

  return {
    present,
    secret(place, found) {
      present(place, found);
      if (!needed || place.text === null || kindOf(resolve(folder, place.text)) !== 'file') return;
      const reading = readSecretFile(resolve(folder, place.text));
      if (!reading.ok) found.warnings.push(placed(place, reading.fault));
    },
    writable(place, found) {
      if (place.text === null || place.text === '') return;
      const file = resolve(folder, place.text);
      if (kindOf(file) === 'folder')
        found.faults.push(place.fault(`${file} is a folder`, 'write the path of a file below it'));
      else if (kindOf(dirname(file)) !== 'folder')
        found.warnings.push(
          place.fault(`the folder ${dirname(file)} does not exist`, 'nothing is written to it until it does'),
        );
    },
    pattern(place, found) {
      if (place.text === null || place.text === '') return;
      const path = resolve(folder, place.text);
      if (dirname(path).includes('*')) {
        found.faults.push(
          place.fault(
            'a "*" is possible in the last component only',
            `write one entry per folder, for example /run/secrets/${basename(path)}`,
          ),
        );
        return;
      }
      if (place.text.endsWith('/'))
        found.faults.push(place.fault('the pattern names a folder', `write ${place.text}*_api_key`));
      else if (kindOf(dirname(path)) !== 'folder')
        found.warnings.push(
          place.fault(`the folder ${dirname(path)} does not exist`, 'no key is read from it until it does'),
        );
    },
  };
}

function kindOf(path: string): 'file' | 'folder' | 'absent' | 'unreachable' {
  if (path.includes('\0')) return 'absent';
  try {
    const found = statSync(path);
    return found.isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'absent' : 'unreachable';
  }
}
