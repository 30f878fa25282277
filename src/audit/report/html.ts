import { htmlText } from '../../core/text/html-text.ts';
import { printable } from '../../core/text/printable.ts';
import { sha256 } from '../../crypto/digest.ts';
import { reportDocument, type Section, type Table } from './document.ts';
import type { Report } from './report.ts';

const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --paper: #fff; --code: #f3f5f7;
  --ready: #116329; --not_ready: #a40e26; --unknown: #7d4e00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9da7b1; --line: #3d444d; --paper: #0d1117;
  --code: #161b22; --ready: #56d364; --not_ready: #ff8182; --unknown: #e3b341; } }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.period, .rest { color: var(--quiet); margin-top: 0; }
.summary { border-left: .4rem solid; padding-left: 1rem; font-size: 1.1rem; }
.ready { border-color: var(--ready); } .not_ready { border-color: var(--not_ready); } .unknown { border-color: var(--unknown); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
th { color: var(--quiet); font-weight: 600; white-space: nowrap; } td { overflow-wrap: anywhere; min-width: 4ch; }
pre { background: var(--code); padding: .6rem .8rem; overflow-x: auto; } li { margin-bottom: .8rem; }
@media print { body { margin: 0; max-width: none; } }`;

/** Nothing is loaded and nothing runs: the one style is allowed by its digest, and that is all that is allowed. */
const policy = `default-src 'none'; style-src 'sha256-${sha256(Buffer.from(style)).toString('base64')}'; base-uri 'none'; form-action 'none'`;

/** The report as a page of its own that may be mailed or kept: no script, no link, nothing from elsewhere. */
export function reportHtml(report: Report): string {
  const { title, period, answer, summary, sections } = reportDocument(report);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
<p class="period">${escaped(period)}</p>
<p class="summary ${answer}">${escaped(summary)}</p>
${sections.map(sectionHtml).join('\n')}
</main>
</body>
</html>`;
}

function sectionHtml({ title, notes, table, steps }: Section): string {
  const items = steps.map(({ text, commands }) => {
    const code = commands.length > 0 ? `<pre><code>${commands.map(escaped).join('\n')}</code></pre>` : '';
    return `<li>${escaped(text)}${code}</li>`;
  });
  return [
    '<section>',
    `<h2>${escaped(title)}</h2>`,
    ...(table ? [tableHtml(table)] : []),
    ...(items.length > 0 ? [`<ol>${items.join('\n')}</ol>`] : []),
    ...notes.map((note) => `<p>${escaped(note)}</p>`),
    '</section>',
  ].join('\n');
}

function tableHtml({ head, rows, rest }: Table): string {
  const top = head.map((cell) => `<th scope="col">${escaped(cell)}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join('')}</tr>`);
  // Focusable, so that a wide table can be scrolled by keyboard.
  const table = `<div class="scroll" tabindex="0"><table><thead><tr>${top}</tr></thead><tbody>${body.join('\n')}</tbody></table></div>`;
  return rest > 0 ? `${table}\n<p class="rest">… and ${rest} more</p>` : table;
}

function escaped(text: string): string {
  return htmlText(printable(text));
}
