/** Epoch seconds as RFC 3339 in UTC, to the millisecond where there is a fraction. */
export function timeText(epochSeconds: number): string {
  return new Date(Math.round(epochSeconds * 1000)).toISOString().replace('.000Z', 'Z');
}

const written = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?\s*(?:(Z)|([+-]\d\d)(?::?(\d\d))?)?$/i;
// Epoch numbers above this are milliseconds: as seconds it would be the year 5138.
const epochSecondsMax = 1e11;

/**
 * Reads a time as other programs write it into auth_tokens: RFC 3339, with a space, with "+00", without a zone (then UTC,
 * as SQLite and Postgres mean it), or an epoch number. Null when it cannot be read.
 */
export function epochOf(time: unknown): number | null {
  if (typeof time === 'number' || typeof time === 'bigint') {
    const number = Number(time);
    return number > epochSecondsMax ? number / 1000 : number;
  }
  const parts = typeof time === 'string' ? written.exec(time.trim()) : null;
  if (!parts) return null;
  const [, date, clock = '00:00', , hours, minutes = '00'] = parts;
  const millis = Date.parse(`${date}T${clock}${hours ? `${hours}:${minutes}` : 'Z'}`);
  return Number.isNaN(millis) ? null : millis / 1000;
}

/**
 * SQL by which written times are compared and indexed. Not unixepoch(…, 'subsec'): SQLite before 3.42 makes null of it, and a
 * program with such a one that writes to the same table then finds the index broken.
 */
export function comparable(column: string): string {
  return `julianday(${column})`;
}

/** Epoch seconds in the same measure; computed as SQLite does, from whole milliseconds, so that equal times are equal. */
export function comparableTime(seconds: number): number {
  return (Math.round(seconds * 1000) + 210_866_760_000_000) / 86_400_000;
}
