const firstMillis = 50;
const lastMillis = 5000;

/**
 * How long to wait before the attempt after `failures` failed ones: doubled each time, and half of it at random, so that
 * many instances do not fall on a store that just came back all at once.
 */
export function backoffMillis(failures: number): number {
  const full = Math.min(lastMillis, firstMillis * 2 ** Math.min(failures, 10));
  return full / 2 + (Math.random() * full) / 2;
}
