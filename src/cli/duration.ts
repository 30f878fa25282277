import { usage } from './failure.ts';

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** A hundred years: what ends so late that no date can be written for it could be made, and then neither listed nor revoked. */
const daysMax = 36_500;

/** '90d' as seconds. Throws a usage Failure that names the option. */
export function durationSeconds(text: string, option: string): number {
  const match = /^([0-9]{1,9})(s|m|h|d|w)$/.exec(text);
  const seconds = match ? Number(match[1]) * (unitSeconds[match[2] ?? ''] ?? 0) : 0;
  if (seconds <= 0) {
    throw usage(
      `--${option} is a number and a unit, and "${text}" is not`,
      'Units: s, m, h, d, w; for example 30m, 24h or 90d.',
    );
  }
  if (seconds > daysMax * 86_400) throw usage(`--${option} is at most ${daysMax}d`);
  return seconds;
}

/** Seconds, rounded up, in the two largest units: '3d 4h', '12m', '45s'. */
export function inWords(seconds: number): string {
  const parts: string[] = [];
  let rest = Math.max(0, Math.ceil(seconds));
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = unitSeconds[unit] ?? 1;
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
    if (parts.length === 2) break;
  }
  return parts.length === 0 ? '0s' : parts.join(' ');
}
