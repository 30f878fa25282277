import { readFileSync } from 'node:fs';

/** Of this program, as in package.json. */
export const version = packageVersion();

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version: written } = JSON.parse(text) as { version: string };
  return written;
}
