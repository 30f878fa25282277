import { readFileSync } from 'node:fs';
import { codeOf, refused } from '../failure.ts';

/** A request as somebody captured it (curl -v, tcpdump, a log): as much as a service signature covers. */
export interface CapturedRequest {
  readonly method: string;
  /** As on the request line. */
  readonly target: string;
  /** By lower-case name; the first of each. */
  readonly fields: ReadonlyMap<string, string>;
}

export function readCapturedRequest(file: string): CapturedRequest {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw refused(`the captured request cannot be read from ${file} (${codeOf(error) ?? 'unreadable'})`);
  }
  const captured = parseCapturedRequest(text);
  if (captured === null)
    throw refused(`${file} holds no request`, 'First line: POST /embeddings/embed HTTP/1.1; then a header a line.');
  return captured;
}

/** Null when there is no request line. The "> " with which curl -v begins its lines is taken off. */
export function parseCapturedRequest(text: string): CapturedRequest | null {
  const lines = text.split(/\r?\n/).map((line) => line.replace(/^> ?/, ''));
  const start = lines.findIndex((line) => /^[A-Za-z]+ \S+(?: HTTP\/[0-9.]+)?$/.test(line));
  if (start === -1) return null;
  const [method = '', target = ''] = (lines[start] ?? '').split(' ');
  const fields = new Map<string, string>();
  for (const line of lines.slice(start + 1)) {
    const colon = line.indexOf(':');
    if (line === '') break;
    if (colon < 1) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    if (!fields.has(name)) fields.set(name, line.slice(colon + 1).trim());
  }
  return { method, target, fields };
}
