import { printable } from '../../core/text/printable.ts';
import { tableLines } from '../../core/text/table.ts';
import { wrapped } from '../../core/text/wrapped.ts';
import { reportDocument, type Table } from './document.ts';
import type { Report } from './report.ts';

/**
 * The report for a terminal: what it comes to, what to mend, and the figures. Ends without a line end. With a `width` in
 * characters its lines are no longer than that; commands stay whole, since they are to be copied.
 */
export function reportText(report: Report, width: number | null = null): string {
  const { period, summary, sections } = reportDocument(report);
  const prose = (text: string): string[] => (width === null ? [text] : wrapped(text, width));
  const lines = [period, '', ...prose(summary)];
  for (const { title, notes, table, steps } of sections) {
    lines.push('', title);
    if (table) lines.push(...rowsOf(table, width));
    for (const { text, commands } of steps)
      lines.push(...prose(`- ${text}`), ...commands.map((command) => `    ${command}`));
    lines.push(...notes.flatMap(prose));
  }
  return lines.map(printable).join('\n');
}

function rowsOf({ head, rows, rest }: Table, width: number | null): string[] {
  const lines = tableLines(
    [head, ...rows].map((row) => row.map(printable)),
    width,
  );
  return rest > 0 ? [...lines, `… and ${rest} more`] : lines;
}
