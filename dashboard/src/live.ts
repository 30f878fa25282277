import { signal } from '@preact/signals';
import { sessionOver } from './api.ts';
import { csrfHeader } from './csrf.ts';
import { readEvents, type StreamEvent } from './event-stream.ts';
import type { Counts } from './shapes.ts';

/** Numbered, so that a bar keeps its identity while it moves. `partial`: there were more than the server could count. */
export type Second = Counts & { readonly number: number; readonly partial: boolean };

export const secondsShown = 60;
export const seconds = signal<readonly Second[]>([]);
/** Since when nothing has been heard, epoch milliseconds; null while it flows. */
export const staleSince = signal<number | null>(null);
/** With which status the last try was refused; null where nothing answered. */
export const streamRefused = signal<number | null>(null);

/** Counts how often there was something new of a kind; pages ask for it then. Whoever was away asks for all once more. */
export const news = { decisions: signal(0), changes: signal(0), ramp: signal(0) };

const silentMillis = 5000;
const givenUpMillis = 10_000;
const retryMillis = 2000;
const nothing: Counts = { allow: 0, deny: 0, would_deny: 0, public: 0 };

const isHidden = (): boolean => document.visibilityState === 'hidden';

/**
 * Listens until the returned function is called. By fetch, which can tell an ended session from a server that is away. A page
 * that nobody looks at does not: a browser has six connections for all its tabs, and the seventh tab would get none.
 */
export function listen(): () => void {
  let stream = new AbortController();
  const over = new AbortController();
  let heard = Date.now();
  /** When the stream was asked for, or said something last. */
  let begun = heard;
  let wake = (): void => undefined;
  const watch = setInterval(() => {
    const silent = Date.now() - heard;
    staleSince.value = silent > silentMillis && !isHidden() ? heard : null;
    // A network that went away tells nobody: a stream that says nothing is given up, as one that broke.
    if (Date.now() - begun > givenUpMillis) stream.abort();
  }, 1000);
  const take = ({ event, data }: StreamEvent): void => {
    heard = begun = Date.now();
    staleSince.value = null;
    if (event === 'decisions' || event === 'comment')
      push(event === 'comment' ? nothing : (JSON.parse(data) as Counts & { partial: boolean }));
    if (event === 'decisions' || event === 'changes' || event === 'ramp') news[event].value += 1;
  };
  async function read(): Promise<void> {
    const { signal: ended } = (stream = new AbortController());
    begun = Date.now();
    try {
      const response = await fetch('/admin/api/live', { headers: csrfHeader(), signal: ended, cache: 'no-store' });
      if (response.status === 401) sessionOver();
      streamRefused.value = response.ok ? null : response.status;
      if (!response.ok || !response.body) return;
      // What happened meanwhile is in no bar.
      seconds.value = [];
      for (const each of Object.values(news)) each.value += 1;
      await readEvents(response.body, take);
    } catch {
      // Shown as stale; the next try follows.
      streamRefused.value = null;
    }
  }
  const turn = (): void => {
    if (isHidden()) stream.abort();
    else {
      heard = Date.now();
      wake();
    }
  };
  document.addEventListener('visibilitychange', turn);
  void (async () => {
    while (!over.signal.aborted) {
      if (isHidden()) await new Promise<void>((resolve) => (wake = resolve));
      else {
        await read();
        if (!over.signal.aborted && !isHidden()) await new Promise((resolve) => setTimeout(resolve, retryMillis));
      }
    }
  })();
  return () => {
    over.abort();
    stream.abort();
    wake();
    clearInterval(watch);
    document.removeEventListener('visibilitychange', turn);
  };
}

function push({ allow, deny, would_deny, public: open, partial = false }: Counts & { partial?: boolean }): void {
  const number = (seconds.value.at(-1)?.number ?? 0) + 1;
  seconds.value = [...seconds.value, { number, allow, deny, would_deny, public: open, partial }].slice(-secondsShown);
}
