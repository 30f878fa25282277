import type { ListenAddress } from '../config.ts';

/** Small texts of the configuration and what they mean. Each reader answers null for what it does not understand. */

export const durationPattern = /^[1-9][0-9]{0,6}[smhd]$/;
export const sizePattern = /^[1-9][0-9]{0,9}(?:B|KiB|MiB|GiB)?$/;

export const outagePattern = /^(?:deny|cached\([1-9][0-9]{0,6}[smhd]\))$/;

const secondsIn: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const bytesIn: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1_048_576, GiB: 1_073_741_824 };

/** '60s', '5m', '24h', '90d', or whole seconds as a number. */
export function seconds(value: string | number): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value > 0 ? value : null;
  if (!durationPattern.test(value)) return null;
  return Number(value.slice(0, -1)) * (secondsIn[value.slice(-1)] ?? 1);
}

/** 'deny' is 0, 'cached(5m)' the seconds between the brackets. The text is known to match outagePattern. */
export function staleSeconds(text: string): number {
  return text === 'deny' ? 0 : (seconds(text.slice('cached('.length, -1)) ?? 0);
}

/** '10MiB', '512KiB', or whole bytes as a number. */
export function bytes(value: string | number): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value > 0 ? value : null;
  if (!sizePattern.test(value)) return null;
  const [, digits = '', unit = 'B'] = /^([0-9]+)(.*)$/.exec(value) ?? [];
  return Number(digits) * (bytesIn[unit || 'B'] ?? 1);
}

/** A duration of a checked file, or its default. */
export function secondsOf(written: string | number | undefined, whenUnset: number): number {
  return written === undefined ? whenUnset : (seconds(written) ?? whenUnset);
}

/** A size of a checked file, or its default. */
export function bytesOf(written: string | number | undefined, whenUnset: number): number {
  return written === undefined ? whenUnset : (bytes(written) ?? whenUnset);
}

/** '127.0.0.1:8700', '[::1]:8700' or 'localhost:8700'; port 0 takes any free one. */
export function listenAddress(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)):([0-9]{1,5})$/.exec(text);
  if (!match) return null;
  const port = Number(match[3]);
  return port > 65_535 ? null : { host: (match[1] ?? match[2] ?? '').toLowerCase(), port };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Whether a connection to `to` could arrive at a server that listens on `on`. */
export function reaches(to: ListenAddress, on: ListenAddress): boolean {
  if (to.port !== on.port || on.port === 0) return false;
  if (to.host === on.host || isWildcard(on.host))
    return isWildcard(to.host) || isLoopback(to.host) || to.host === on.host;
  return (isLoopback(to.host) || isWildcard(to.host)) && isLoopback(on.host);
}

/** Whether both cannot be listened on at once. Two loopback addresses can, unless they are the same or one is a name. */
export function collide(a: ListenAddress, b: ListenAddress): boolean {
  if (a.port !== b.port || a.port === 0) return false;
  if (a.host === b.host || isWildcard(a.host) || isWildcard(b.host)) return true;
  const named = a.host === 'localhost' || b.host === 'localhost';
  return named && isLoopback(a.host) && isLoopback(b.host);
}
