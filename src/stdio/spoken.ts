import { printable } from '../core/text/printable.ts';
import { lines } from './lines.ts';

/** More is read than shown, so that no secret is shown for being cut in two. */
const lineBytesMax = 8192;
const shownMax = 1000;
const linesPerMinute = 60;

/**
 * What a server says on the side (standard error, and what is no message on standard output), for our log: printable, cut,
 * without the secrets that it was given, and not more than a log can bear.
 */
export function spoken(mark: string, secrets: readonly string[], say: (text: string) => void): (chunk: Buffer) => void {
  // The longest first, so that of two secrets where one holds the other nothing is left over.
  const hidden = secrets
    // A key of several lines is said line by line.
    .flatMap((secret) => [secret, ...secret.split('\n')])
    .filter((secret) => secret.length >= 4)
    .sort((a, b) => b.length - a.length);
  let minute = 0;
  let said = 0;
  let omitted = 0;

  function line(bytes: Buffer): void {
    const now = Math.floor(performance.now() / 60_000);
    if (now !== minute) {
      minute = now;
      said = 0;
      if (omitted > 0) say(`${mark}: (${omitted} lines more were left out)`);
      omitted = 0;
    }
    said += 1;
    if (said > linesPerMinute) {
      omitted += 1;
      return;
    }
    const text = printable(redacted(bytes.toString('utf8').trimEnd(), hidden).slice(0, shownMax));
    if (text !== '') say(`${mark}: ${text}`);
  }
  return lines(lineBytesMax, line, line);
}

const likeSecrets = /\bcs_(?:sk|hs|st|ad)_[0-9A-Za-z]+|\bBearer\s+\S+|\/\/[^/\s:@]*:[^/\s@]+@/gi;

function redacted(text: string, hidden: readonly string[]): string {
  let plain = text;
  for (const secret of hidden) plain = plain.replaceAll(secret, '[secret]');
  return plain.replace(likeSecrets, '[secret]');
}
