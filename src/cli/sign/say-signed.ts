import type { Invocation } from '../command.ts';
import { EXIT } from '../failure.ts';
import type { SentAnswer } from './send-signed.ts';

/** What was signed: as JSON, and for people. */
export interface Explained {
  readonly parts: object;
  readonly lines: readonly string[];
}

/** The headers, by the names that people write. */
export function saySigned(
  { out, json, flag }: Invocation,
  headers: Readonly<Record<string, string>>,
  { parts, lines }: Explained,
): number {
  if (json) out.json({ headers, ...(flag('explain') ? parts : {}) });
  else {
    if (flag('explain')) for (const line of lines) out.line(line);
    for (const [name, value] of Object.entries(headers)) out.line(`${name}: ${value}`);
  }
  return EXIT.done;
}

/** What was answered, and the first difference where it was refused here. */
export function saySent(
  { out, json, flag }: Invocation,
  { status, text, reason, refusedHere }: SentAnswer,
  difference: string | null,
  { parts, lines }: Explained,
): number {
  if (json) out.json({ status, reason, difference, ...parts });
  else {
    if (flag('explain')) for (const line of lines) out.line(line);
    out.line(`${out.paint(status < 300 ? 'green' : 'red', String(status))}  ${text}`);
    if (difference !== null) out.line(difference);
  }
  return refusedHere ? EXIT.refused : EXIT.done;
}
