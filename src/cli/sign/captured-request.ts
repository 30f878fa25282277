import { readFileSync } from 'node:fs';
import { codeOf, refused } from '../failure.ts';

/** A request as somebody captured it (curl -v, tcpdump, a log). */
export interface CapturedRequest {
  readonly method: string;
  /** As on the request line. */
  readonly target: string;
  /** By lower-case name, all lines of each. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  /** What stands below the head, as long as Content-Length says; null when there is nothing. */
  readonly body: Buffer | null;
}

export function readCapturedRequest(file: string): CapturedRequest {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw refused(`the captured request cannot be read from ${file} (${codeOf(error) ?? 'unreadable'})`);
  }
  const captured = parseCapturedRequest(bytes);
  if (captured === null)
    throw refused(`${file} holds no request`, 'First line: POST /embeddings/embed HTTP/1.1; then a header a line.');
  return captured;
}

/** Null when there is no request line. The "> " with which curl -v begins its lines is taken off. */
function parseCapturedRequest(bytes: Buffer): CapturedRequest | null {
  // As Latin-1, in which a place in the text is the place in the bytes.
  const lines = bytes.toString('latin1').split('\n');
  const line = (index: number): string => (lines[index] ?? '').replace(/^> ?/, '').replace(/\r$/, '');
  const start = lines.findIndex((_, index) => /^[A-Za-z]+ \S+(?: HTTP\/[0-9.]+)?$/.test(line(index)));
  if (start === -1) return null;
  const [method = '', target = ''] = line(start).split(' ');
  const fields = new Map<string, string[]>();
  let index = start + 1;
  for (; index < lines.length && line(index) !== ''; index += 1) {
    const colon = line(index).indexOf(':');
    if (colon < 1) continue;
    const name = line(index).slice(0, colon).trim().toLowerCase();
    const value = line(index)
      .slice(colon + 1)
      .trim();
    fields.set(name, [...(fields.get(name) ?? []), value]);
  }
  const body = bytes.subarray(lines.slice(0, index + 1).reduce((size, text) => size + text.length + 1, 0));
  const length = Number(fields.get('content-length')?.[0] ?? body.length);
  return { method, target, fields, body: body.length === 0 ? null : body.subarray(0, length) };
}
