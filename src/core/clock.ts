/** Epoch seconds, possibly with a fraction. Handed in, so that tests can move time. */
export type Clock = () => number;

export const systemClock: Clock = () => Date.now() / 1000;

/** By so much clocks of one stack may differ; a time that lies further ahead was written by one that was wrong. */
export const clockSkewSecondsMax = 300;

/** The farthest that a calendar knows, epoch seconds, on either side. */
const calendarSecondsMax = 8.64e12;

/** The nearest time that can be written, since whoever writes to the store itself may have put any number there. */
export function inCalendar(epochSeconds: number): number {
  return Math.max(-calendarSecondsMax, Math.min(calendarSecondsMax, epochSeconds || 0));
}

/** Epoch seconds as RFC 3339 in UTC, as every time on the wire is written. */
export function rfc3339(epochSeconds: number): string {
  return new Date(Math.floor(inCalendar(epochSeconds)) * 1000).toISOString().replace('.000Z', 'Z');
}

export function rfc3339OrNull(epochSeconds: number | null): string | null {
  return epochSeconds === null ? null : rfc3339(epochSeconds);
}
