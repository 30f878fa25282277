/** The first whole number that another one is mistaken for. */
const unsafe = 2 ** 53;

/**
 * The number of a row as one that can be read: what no server gives, be it a word or too great, comes as one that is never
 * given either. Otherwise a single such row would make its table unreadable.
 */
export function numberOf(column: string): string {
  return `CAST(max(min(${column}, ${unsafe}), -${unsafe}) AS REAL)`;
}

/** What rows behind this one are looked for by: behind those that are too great to be told apart there is nothing. */
export function behindNumber(after: number | undefined): number | undefined {
  return after !== undefined && after >= unsafe ? Infinity : after;
}
