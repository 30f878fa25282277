import { printable } from '../../core/text/printable.ts';
import type { Invocation } from '../command.ts';
import { EXIT } from '../failure.ts';
import { recordedReason } from './recorded-reason.ts';
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

/** What was answered, and the first difference where it was refused here, or would be. */
export async function saySent(
  invocation: Invocation,
  answer: SentAnswer,
  whyRefused: (reason: string) => Promise<string>,
  { parts, lines }: Explained,
): Promise<number> {
  const { out, json, flag } = invocation;
  const { status, text, reason, refusedHere, outcome, requestId } = answer;
  const wouldDeny = outcome === 'would_deny';
  const why = wouldDeny ? await recordedReason(invocation, requestId) : reason;
  const difference = why !== null && (refusedHere || wouldDeny) ? await whyRefused(why) : null;
  if (json) out.json({ status: wouldDeny ? null : status, reason: why, outcome, difference, ...parts });
  else {
    if (flag('explain')) for (const line of lines) out.line(line);
    if (wouldDeny) out.line(`${out.paint('yellow', 'would_deny')}  ${untilEnforced}`);
    else out.line(`${out.paint(status < 300 ? 'green' : 'red', String(status))}  ${shown(text)}`);
    if (difference !== null) out.line(difference);
    else if (wouldDeny) out.advice(`Where its store is, this says why: countersign audit tail --request ${requestId}`);
  }
  const blind = refusedHere || wouldDeny ? null : blindness(answer);
  if (blind !== null) out.talk(`${blind} says nothing about the signature.`);
  return refusedHere || wouldDeny ? EXIT.refused : EXIT.done;
}

/** Whoever answered may be anybody. */
function shown(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

const untilEnforced = 'In mode report it would pass, and be refused once that is enforced, so it was not sent.';

/** Where an answer is the same whatever was signed. */
function blindness({ outcome, reason }: SentAnswer): string | null {
  if (outcome === 'public') return 'The route is public: its answer';
  if (outcome === 'off') return 'The mode is off: the answer';
  if (outcome !== null || reason !== null) return null;
  return 'Whoever answered does not say whether it enforces: in mode report such an answer';
}
