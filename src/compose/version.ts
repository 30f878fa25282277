import { readFileSync } from 'node:fs';

/** Of this program, as in its package.json; 'unknown' in the bundle of a service, which leaves that file behind. */
export const version = packageVersion();

function packageVersion(): string {
  try {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    const { name, version: written } = JSON.parse(text) as { name: string; version: string };
    // In a bundle it may be anybody's.
    return name === 'countersign' ? written : 'unknown';
  } catch {
    return 'unknown';
  }
}
