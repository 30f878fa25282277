import { linkLine, type LinkContent } from '../../../audit/chain/link.ts';
import { contentOf } from '../../../audit/chain/verify-chain.ts';
import type { EventRow } from '../../../core/event.ts';
import { printable } from '../../../core/text/printable.ts';
import type { Invocation } from '../../command.ts';

/** One event as a line. */
export function showEvent(row: EventRow, { out, json }: Invocation): void {
  if (json) {
    out.line(linkLine(row));
    return;
  }
  const content: Partial<LinkContent> = contentOf(row.text) ?? { type: row.type, actor: row.actor };
  const [time, clock, type, actor] = [content.time, content.clock, content.type, content.actor].map(said);
  const [via, from, subject, reason] = [content.via, content.from, content.subject, content.reason].map(said);
  const words = [
    (type ?? '').padEnd(16),
    subject,
    `${actor} (${via} from ${from})`,
    printable(JSON.stringify(content.detail ?? {})),
    reason === '' ? '' : `because: ${reason}`,
    clock === '' ? '' : `by its own clock ${clock}`,
  ];
  out.line([out.paint('dim', time ?? ''), ...words.filter((word) => word !== '')].join('  ').trimEnd());
}

/** Whoever writes to the store itself may have put anything in place of a text. */
function said(value: unknown): string {
  if (value === undefined) return '';
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
