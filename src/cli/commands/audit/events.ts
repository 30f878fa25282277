import { linkLine } from '../../../audit/link.ts';
import { contentOf } from '../../../audit/verify-chain.ts';
import type { EventRow } from '../../../core/event.ts';
import { printable } from '../../../core/text/printable.ts';
import type { Invocation } from '../../command.ts';

/** One event as a line. */
export function showEvent(row: EventRow, { out, json }: Invocation): void {
  if (json) {
    out.line(linkLine(row));
    return;
  }
  const content = contentOf(row.text);
  const {
    time,
    clock = '',
    type,
    actor,
    via,
    from,
    subject,
    reason,
    detail,
  } = content ?? {
    time: '',
    clock: '',
    type: row.type,
    actor: row.actor,
    via: '',
    from: '',
    subject: '',
    reason: '',
    detail: {},
  };
  const who = `${actor} (${via} from ${from})`;
  const why = reason === '' ? '' : `because: ${reason}`;
  const words = [
    printable(type).padEnd(16),
    printable(subject),
    printable(who),
    printable(JSON.stringify(detail)),
    printable(why),
    clock === '' ? '' : `by its own clock ${printable(clock)}`,
  ];
  out.line([out.paint('dim', printable(time)), ...words.filter((word) => word !== '')].join('  ').trimEnd());
}
