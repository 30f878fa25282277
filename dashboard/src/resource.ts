import type { Signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { ApiError, ask } from './api.ts';

export interface Resource<T> {
  /** The newest answer; kept while later ones fail, since stale figures that say so beat none. */
  readonly data: T | null;
  readonly error: string | null;
  /** When the newest answer came, epoch milliseconds. */
  readonly at: number | null;
  reload(): void;
}

/** Asks again every so often while the page is looked at, as soon as it is looked at again, and at once when there is news. */
export function useResource<T>(path: string, everyMillis = 10_000, news?: Signal<number>): Resource<T> {
  const [state, setState] = useState<{ path: string; data: T | null; error: string | null; at: number | null }>({
    ...unread,
    path,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    let asked = 0;
    let answered = true;
    const load = async (): Promise<void> => {
      asked = Date.now();
      answered = false;
      try {
        const data = await ask<T>(path, 'GET', undefined, abort.signal);
        if (!abort.signal.aborted) setState({ path, data, error: null, at: Date.now() });
      } catch (error) {
        if (abort.signal.aborted) return;
        setState((before) => ({ ...(before.path === path ? before : unread), path, error: wordsFor(error) }));
      } finally {
        answered = true;
      }
    };
    const isDue = (): boolean => answered && Date.now() - asked > everyMillis - 1000;
    const look = (): void => void (document.visibilityState === 'visible' && isDue() && load());
    void load();
    const timer = setInterval(look, everyMillis);
    document.addEventListener('visibilitychange', look);
    const stop = news && onNews(news, load);
    return () => {
      abort.abort();
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
      stop?.();
    };
  }, [path, everyMillis, turn, news]);
  const current = state.path === path ? state : unread;
  return { data: current.data, error: current.error, at: current.at, reload: () => setTurn((before) => before + 1) };
}

export const tailRows = 200;
const readMax = 1000;
const retryMillis = 5000;

/**
 * The newest rows of a list that grows at its end: with news, what came behind the last one that is known is asked for. `path` has
 * a query; the answer has the list under `name`.
 */
export function useTail<T extends { readonly sequence: number }>(
  path: string,
  name: string,
  news: Signal<number> | null,
): Resource<readonly T[]> {
  const [state, setState] = useState<Omit<Resource<readonly T[]>, 'reload'> & { path: string }>({ ...unread, path });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    let rows: readonly T[] = [];
    /** To which number was looked, where the server says so: those that do not fit need not be looked at again. */
    let lookedTo: number | null | undefined;
    let busy = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let again = false;
    const read = async (): Promise<void> => {
      const last = lookedTo ?? rows.at(-1)?.sequence;
      const page = last === undefined ? `limit=${tailRows}` : `limit=${readMax}&after=${last}`;
      const answer = await ask<{ looked_to?: number | null } & Record<string, readonly T[]>>(
        `${path}&${page}`,
        'GET',
        undefined,
        abort.signal,
      );
      const found = answer[name] ?? [];
      // Whoever fell that far behind begins anew with the newest.
      again ||= found.length === readMax;
      rows = found.length === readMax ? [] : [...rows, ...found].slice(-tailRows);
      lookedTo = found.length === readMax ? undefined : answer.looked_to;
    };
    const load = async (): Promise<void> => {
      again = true;
      if (busy) return;
      busy = true;
      clearTimeout(timer);
      try {
        while (again && !abort.signal.aborted) {
          again = false;
          await read();
        }
        if (!abort.signal.aborted) setState({ path, data: rows, error: null, at: Date.now() });
      } catch (error) {
        if (abort.signal.aborted) return;
        setState((before) => ({ ...(before.path === path ? before : unread), path, error: wordsFor(error) }));
        // There may be no news for long.
        timer = setTimeout(() => void load(), retryMillis);
      } finally {
        busy = false;
      }
    };
    void load();
    const stop = news && onNews(news, load);
    return () => {
      abort.abort();
      clearTimeout(timer);
      stop?.();
    };
  }, [path, name, news, turn]);
  const current = state.path === path ? state : unread;
  return { ...current, reload: () => setTurn((before) => before + 1) };
}

const unread = { data: null, error: null, at: null };

/** Not for what is the news already. */
function onNews(news: Signal<number>, load: () => Promise<void>): () => void {
  let known = news.peek();
  return news.subscribe((count) => {
    if (count === known) return;
    known = count;
    void load();
  });
}

function wordsFor(error: unknown): string {
  return error instanceof ApiError ? error.message : String(error);
}
