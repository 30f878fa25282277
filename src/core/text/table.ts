import { wrapped } from './wrapped.ts';

/** How a cell is shown, where that is otherwise than its text: it may add what takes no room, as colours. */
export type Shown = (text: string, row: number, column: number) => string;

const between = '  ';
const below = ' '.repeat(4);

/**
 * Rows, the head among them, as aligned columns. A row that is wider than `width` characters is folded between two of its
 * cells, alike in every row, and goes on below: an id that is cut, or broken in the middle by the terminal, is of no use to
 * whoever is to copy it. Only a cell that is wider than a line is broken, between its words. A `width` of null folds nothing.
 * No line ends in blanks.
 */
export function tableLines(
  rows: readonly (readonly string[])[],
  width: number | null,
  shown: Shown = (text) => text,
): string[] {
  const columnCount = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columnCount }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const bands = bandsOf(widths, width ?? Infinity);
  return rows.flatMap((row, index) =>
    bands.flatMap((band, number) => {
      const margin = number === 0 ? '' : below;
      const [only = 0] = band;
      const room = (width ?? Infinity) - margin.length;
      if (band.length === 1 && (widths[only] ?? 0) > room) {
        const lines = wrapped(row[only] ?? '', room).filter((line) => line !== '' || number === 0);
        return lines.map((line) => margin + shown(line, index, only));
      }
      const cells = band.map((column) => row[column] ?? '');
      const last = cells.findLastIndex((cell) => cell !== '');
      if (last === -1 && number > 0) return [];
      const line = cells.slice(0, last + 1).map((cell, place) => {
        const column = band[place] ?? 0;
        const padding = place === last ? 0 : (widths[column] ?? 0) - cell.length;
        return shown(cell, index, column) + ' '.repeat(padding);
      });
      return [margin + line.join(between)];
    }),
  );
}

/** Which columns stand beside each other: as many on each line as there is room for. */
function bandsOf(widths: readonly number[], width: number): number[][] {
  const bands: number[][] = [[]];
  let used = 0;
  for (const [column, own] of widths.entries()) {
    const band = bands.at(-1) ?? [];
    if (band.length > 0 && used + between.length + own > width) {
      bands.push([column]);
      used = below.length + own;
    } else {
      used += (band.length === 0 ? 0 : between.length) + own;
      band.push(column);
    }
  }
  return bands;
}
