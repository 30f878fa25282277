/** By so much the clocks may differ before it is said: an HTTP signature may be as far ahead. */
const secondsMax = 30;

/**
 * What is to be said of our clock beside that of a server: of two that differ one is wrong, and of those it is ours that decides here.
 * `place`: 'Redis at HOST'. `asked` and `answered`: ours before and after `theirs` was read, epoch seconds.
 */
export function clockWarnings(place: string, theirs: number, asked: number, answered: number): string[] {
  const ahead = asked > theirs + secondsMax;
  if (!ahead && answered >= theirs - secondsMax) return [];
  const seconds = Math.round(ahead ? asked - theirs : theirs - answered);
  return [
    `the clock of this machine is ${seconds} s ${ahead ? 'ahead of' : 'behind'} that of ${place}: set both by NTP, since signatures, ends of keys and tokens, limits and ramps are judged by ours, and decisions are recorded under it`,
  ];
}
