import { printable } from '../../core/text/printable.ts';
import { reportDocument, type Table } from './document.ts';
import type { Report } from './report.ts';

/** The report as Markdown, for a ticket or a wiki. What callers chose to be called is escaped. Ends without a line end. */
export function reportMarkdown(report: Report): string {
  const { title, period, summary, sections } = reportDocument(report);
  const blocks = [`# ${escaped(title)}`, escaped(period), `**${escaped(summary)}**`];
  for (const part of sections) {
    blocks.push(`## ${escaped(part.title)}`);
    if (part.table) blocks.push(tableText(part.table));
    for (const { text, commands } of part.steps)
      blocks.push(`- ${escaped(text)}\n\n${commands.map((command) => `      ${printable(command)}`).join('\n')}`);
    blocks.push(...part.notes.map(escaped));
  }
  return blocks.join('\n\n');
}

function tableText({ head, rows, rest }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(' | ')} |`;
  const lines = [line(head), `|${head.map(() => ' --- ').join('|')}|`, ...rows.map(line)];
  return lines.join('\n') + (rest > 0 ? `\n\n… and ${rest} more` : '');
}

/** Whatever could begin markup, HTML, a link or a mention. */
function escaped(text: string): string {
  return printable(text).replace(/[\\`*_[\]<>#!|~&@]|:(?=\/\/)|(?<=\bwww)\./g, '\\$&');
}
