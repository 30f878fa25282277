import { signal } from '@preact/signals';

/** What a Date field says is at most a second old when it is sent, and then on its way. */
const exactMillis = 2000;

let ahead = 0;

/** The server's time, epoch milliseconds: what it tells of is told in its own time, whatever the browser's clock says. */
export const now = signal(Date.now());

/** Takes the Date field of an answer. */
export function setClock(line: string | null): void {
  const found = Date.parse(line ?? '') + 500 - Date.now();
  if (Math.abs(found - ahead) < exactMillis || Number.isNaN(found)) return;
  ahead = found;
  now.value = Date.now() + ahead;
}

/** Goes on until the returned function is called. */
export function runClock(): () => void {
  const timer = setInterval(() => (now.value = Date.now() + ahead), 1000);
  return () => clearInterval(timer);
}
