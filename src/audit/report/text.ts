import { printable } from '../../core/text/printable.ts';
import { reportDocument, type Table } from './document.ts';
import type { Report } from './report.ts';

/** The report for a terminal: what it comes to, what to mend, and the figures. Ends without a line end. */
export function reportText(report: Report): string {
  const { period, summary, sections } = reportDocument(report);
  const lines = [period, '', summary];
  for (const { title, notes, table, steps } of sections) {
    lines.push('', title);
    if (table) lines.push(...tableLines(table));
    lines.push(...notes);
    for (const { text, commands } of steps) lines.push(`- ${text}`, ...commands.map((command) => `    ${command}`));
  }
  return lines.map(printable).join('\n');
}

function tableLines({ head, rows, rest }: Table): string[] {
  const cells = [head, ...rows].map((row) => row.map(printable));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return rest > 0 ? [...lines, `… and ${rest} more`] : lines;
}
