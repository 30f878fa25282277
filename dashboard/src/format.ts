const numbers = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const count = (value: number): string => (value < 100_000 ? numbers.format(value) : short.format(value));

/** Rounded down, as in the report: 0.9996 is not 100 %, and the same figure reads the same everywhere. */
export function percent(rate: number | null): string {
  if (rate === null) return '–';
  const shown = Math.floor(rate * 1000) / 10;
  return `${shown.toFixed(shown === 0 || shown === 100 ? 0 : 1)} %`;
}

/** '3 min ago', 'in 4 days'; null is never. `now`: epoch milliseconds. */
export function ago(iso: string | null, now: number): string {
  if (iso === null) return 'never';
  const seconds = Math.round((Date.parse(iso) - now) / 1000);
  const size = Math.abs(seconds);
  const [amount, unit] =
    size < 60
      ? [size, ' s']
      : size < 3600
        ? [Math.round(size / 60), ' min']
        : size < 172_800
          ? [Math.round(size / 3600), ' h']
          : [Math.round(size / 86_400), ' days'];
  return seconds > 0 ? `in ${amount}${unit}` : `${amount}${unit} ago`;
}

/** Local, and in UTC, in which the server and its commands say it. */
export const exactTime = (iso: string): string => `${new Date(iso).toLocaleString()} (${iso} UTC)`;

/** With its day where that is not today: a machine may have slept. */
export function clockTime(millis: number): string {
  const time = new Date(millis);
  const isToday = time.toDateString() === new Date().toDateString();
  return isToday ? time.toLocaleTimeString() : time.toLocaleString();
}

export function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

export const unnamed = '(unnamed)';

/** As operators read callers, here and on the command line: '' has no name, and `others` are many. */
export const callerName = (caller: string): string =>
  caller === '' ? unnamed : caller === 'others' ? '(others)' : caller;

/** What the server says as a part of a sentence, as the beginning of one. */
export const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);

/** As lists and filters name the caller of a decision: who was proven, or who they said they were. */
export function callerOf({ principal, claimed = '' }: { principal: string; claimed?: string }): string {
  return principal || claimed === '' ? principal : `${claimed}?`;
}

export const serviceName = (service: string): string => (service === '' ? '(no such service)' : service);

/** As the gateway is asked for it; what has no rule is '/embeddings/*'. */
export const routeName = (service: string, route: string): string =>
  service === '' ? serviceName('') : `/${service}${route === '*' ? '/*' : route}`;
