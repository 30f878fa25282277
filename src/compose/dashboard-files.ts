import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One file of the built dashboard, held in memory: no path of a request ever names a file. */
export interface DashboardFile {
  readonly type: string;
  readonly text: string;
  /** Its name has a digest of what is in it, so it never changes. */
  readonly immutable: boolean;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** By path below /dashboard; '' is the page. Empty where nothing was built, as in a fresh checkout. */
export function dashboardFiles(): ReadonlyMap<string, DashboardFile> {
  const folder = fileURLToPath(new URL('../../dashboard/dist/', import.meta.url));
  const files = new Map<string, DashboardFile>();
  for (const name of namesIn(folder)) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const path = name === 'index.html' ? '' : `/${name}`;
    files.set(path, { type, text: readFileSync(join(folder, name), 'utf8'), immutable: name.startsWith('assets/') });
  }
  return files;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}
