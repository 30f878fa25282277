/** The first whole number that another one is mistaken for. */
const unsafe = 2 ** 53;

/**
 * The number of a row as one that can be read: what no server gives, be it a word or too great, comes as one that is never
 * given either. Otherwise a single such row would make its table unreadable.
 */
export function numberOf(column: string): string {
  return `CAST(max(min(${column}, ${unsafe}), -${unsafe}) AS REAL)`;
}

/**
 * What rows behind this one are looked for by: behind those that are too great to be told apart there is nothing. Undefined for
 * all, so that a table that was made anew without its constraints hides no row that has no number.
 */
export function behindNumber(after: number | undefined): number | undefined {
  if (after === undefined || after === -Infinity) return undefined;
  return after >= unsafe ? Infinity : after;
}
