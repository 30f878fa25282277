import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The top of the git work tree that the folder is in, or would be in when it is made; null outside of any. Without symbolic links. */
export function repositoryOf(folder: string): string | null {
  if (!existsSync(folder)) return dirname(folder) === folder ? null : repositoryOf(dirname(folder));
  const real = realpathSync(folder);
  if (existsSync(join(real, '.git'))) return real;
  return dirname(real) === real ? null : repositoryOf(dirname(real));
}
