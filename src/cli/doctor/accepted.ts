import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { appendText } from './append-text.ts';
import { findingId, type Finding } from './finding.ts';

/** Findings that somebody has looked at and lives with, one a line: the id, then words for those who read the file. */
const fileName = '.doctor-accepted';

export function acceptedIds(folder: string): ReadonlySet<string> {
  const file = join(folder, fileName);
  if (!existsSync(file)) return new Set();
  const lines = readFileSync(file, 'utf8').split('\n');
  return new Set(lines.flatMap((line) => /^[0-9a-f]{12}\b/.exec(line)?.[0] ?? []));
}

/** Resolves to the path that was written. */
export function accept(folder: string, findings: readonly Finding[]): string {
  const file = join(folder, fileName);
  const lines = findings.map((finding) => `${findingId(finding)}  ${finding.place}: ${finding.what}\n`);
  appendText(file, lines.map((line) => line.replace(/[\r\n]+(?=.)/g, ' ')).join(''));
  return file;
}
