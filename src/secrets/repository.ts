import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Without symbolic links, also where the folder is still to be made: then as far as it is there. */
export function realFolder(folder: string): string {
  if (existsSync(folder)) return realpathSync(folder);
  return dirname(folder) === folder ? folder : join(realFolder(dirname(folder)), basename(folder));
}

/** The top of the git work tree that the folder is in, or would be in when it is made; null outside of any. Without symbolic links. */
export function repositoryOf(folder: string): string | null {
  for (let at = realFolder(folder); ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return at;
    if (dirname(at) === at) return null;
  }
}
