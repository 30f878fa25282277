import { readFileSync, statSync } from 'node:fs';
import { fileBytesMax } from './document.ts';
import { ConfigError, wholeFault } from '../faults.ts';

const otherConfig = 'name another with --config, or make one: countersign init';

/** What the file holds now. `whenAbsent` says what to do about one that is not there. Throws a ConfigError. */
export function configText(file: string, whenAbsent = otherConfig): string {
  const refuse = (message: string, hint: string) => new ConfigError(file, [wholeFault(message, hint)]);
  let content: Buffer;
  try {
    if (statSync(file).size > fileBytesMax)
      throw refuse('the file is larger than 1 MiB', 'a configuration is a few kilobytes; is this the right file?');
    content = readFileSync(file);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    if (code === 'ENOENT') throw refuse('the file does not exist', whenAbsent);
    throw refuse(`the file cannot be read (${code})`, 'it must be a file that this user can read');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    throw refuse('the file is not UTF-8 text', 'save it as UTF-8');
  }
}
