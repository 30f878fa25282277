import { styleText } from 'node:util';
import { terminalSafe } from '../audit/log-line.ts';
import { printable } from '../core/text/printable.ts';
import { tableLines } from '../core/text/table.ts';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Results go to standard output, talk to standard error, so that a pipe carries results only. */
export interface Output {
  /** One line of the result. */
  line(text?: string): void;
  /** One line of the result in which commands of ours may stand, for whoever reads it to type. */
  advice(text: string): void;
  /** The result as JSON. */
  json(value: unknown): void;
  /** One line for the person at the terminal. */
  talk(text?: string): void;
  warn(text: string): void;
  /** Coloured on a terminal only, and never with NO_COLOR. */
  paint(style: Style, text: string): string;
  paintTalk(style: Style, text: string): string;
  /** True when results reach nobody any more: whoever follows something may stop. */
  readonly gone: boolean;
  /** Characters of a line of the terminal that results go to; null where they go to a file or a pipe, which take lines whole. */
  readonly width: number | null;
  /** Why results were lost, in the system's words; null where none were, or where their reader wanted no more of them. */
  readonly fault: string | null;
}

const readerEnded = new Set(['EPIPE', 'ERR_STREAM_DESTROYED']);

export function terminalOutput(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): Output {
  const paintTalk = (style: Style, text: string): string => styleText(style, text, { stream: stderr });
  let gone = false;
  let fault: string | null = null;
  // Neither a reader that has ended nor a full disk behind the standard streams is a reason for a server to end.
  for (const stream of [stdout, stderr]) stream.on('error', () => undefined);
  const result = (text: string): void =>
    void stdout.write(text, (error) => {
      gone ||= Boolean(error);
      // `countersign keys list | head -1` ends the reader first; that is no error of ours.
      if (error && !readerEnded.has((error as NodeJS.ErrnoException).code ?? '')) fault ??= error.message;
    });
  return {
    line: (text = '') => result(`${text}\n`),
    advice: (text) => result(`${text}\n`),
    // Strangers choose some of the names in it.
    json: (value) => result(`${terminalSafe(JSON.stringify(value, null, 2))}\n`),
    talk: (text = '') => void stderr.write(`${text}\n`),
    warn: (text) => void stderr.write(`${paintTalk('yellow', 'warning:')} ${text}\n`),
    paint: (style, text) => styleText(style, text, { stream: stdout }),
    paintTalk,
    // It changes with the window; some terminals say 0 where they do not know.
    get width() {
      return stdout.isTTY ? stdout.columns || null : null;
    },
    get gone() {
      return gone;
    },
    get fault() {
      return fault;
    },
  };
}

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

/** Rows as aligned columns below their titles, as wide as the terminal at most: `margin` stands before each line. */
export function columns(
  head: readonly string[],
  rows: readonly (readonly (string | Cell)[])[],
  { paint, width }: Pick<Output, 'paint' | 'width'>,
  margin = '',
): string[] {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'string' ? { text: cell } : cell)));
  const styleOf = (row: number, column: number): Style | undefined =>
    row === 0 ? 'dim' : cells[row - 1]?.[column]?.style;
  const lines = tableLines(
    [head, ...cells.map((row) => row.map(({ text }) => printable(text)))],
    width === null ? null : width - margin.length,
    (text, row, column) => {
      const style = styleOf(row, column);
      return style ? paint(style, text) : text;
    },
  );
  return lines.map((line) => margin + line);
}
