import { signal } from '@preact/signals';
import { session } from './api.ts';
import { readEvents, type StreamEvent } from './event-stream.ts';
import type { Counts } from './shapes.ts';

/** Numbered, so that a bar keeps its identity while it moves. */
export type Second = Counts & { readonly number: number };

export const secondsShown = 60;
export const seconds = signal<readonly Second[]>([]);
/** Since when nothing has been heard, epoch milliseconds; null while it flows. */
export const staleSince = signal<number | null>(null);

/** Counts how often there was something new of a kind; pages ask for it then. Whoever was away asks for all once more. */
export const news = { decisions: signal(0), changes: signal(0), ramp: signal(0) };

const silentMillis = 5000;
const retryMillis = 2000;
const nothing: Counts = { allow: 0, deny: 0, would_deny: 0, public: 0 };

/** Listens until the returned function is called. By fetch, which can tell an ended session from a server that is away. */
export function listen(): () => void {
  const abort = new AbortController();
  let heard = Date.now();
  const watch = setInterval(() => {
    staleSince.value = Date.now() - heard > silentMillis ? heard : null;
  }, 1000);
  const take = ({ event, data }: StreamEvent): void => {
    heard = Date.now();
    staleSince.value = null;
    if (event === 'decisions' || event === 'comment')
      push(event === 'comment' ? nothing : (JSON.parse(data) as Counts));
    if (event === 'decisions' || event === 'changes' || event === 'ramp') news[event].value += 1;
  };
  void (async () => {
    while (!abort.signal.aborted) {
      try {
        const response = await fetch('/admin/api/live', { signal: abort.signal, cache: 'no-store' });
        if (response.status === 401) session.value = null;
        if (response.ok && response.body) {
          for (const each of Object.values(news)) each.value += 1;
          await readEvents(response.body, take);
        }
      } catch {
        // Shown as stale; the next try follows.
      }
      if (!abort.signal.aborted) await new Promise((resolve) => setTimeout(resolve, retryMillis));
    }
  })();
  return () => {
    abort.abort();
    clearInterval(watch);
  };
}

function push({ allow, deny, would_deny, public: open }: Counts): void {
  const number = (seconds.value.at(-1)?.number ?? 0) + 1;
  seconds.value = [...seconds.value, { number, allow, deny, would_deny, public: open }].slice(-secondsShown);
}
