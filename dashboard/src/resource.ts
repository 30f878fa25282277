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

/** Asks again every so often while the page is looked at. */
export function useResource<T>(path: string, everyMillis = 10_000): Resource<T> {
  const [state, setState] = useState<{ path: string; data: T | null; error: string | null; at: number | null }>({
    path,
    data: null,
    error: null,
    at: null,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    const load = async (): Promise<void> => {
      try {
        const data = await ask<T>(path, 'GET', undefined, abort.signal);
        if (!abort.signal.aborted) setState({ path, data, error: null, at: Date.now() });
      } catch (error) {
        if (abort.signal.aborted) return;
        const words = error instanceof ApiError ? error.message : String(error);
        setState((before) => ({ ...(before.path === path ? before : { data: null, at: null }), path, error: words }));
      }
    };
    void load();
    const timer = setInterval(() => document.visibilityState === 'visible' && void load(), everyMillis);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [path, everyMillis, turn]);
  const current = state.path === path ? state : { data: null, error: null, at: null };
  return { data: current.data, error: current.error, at: current.at, reload: () => setTurn((before) => before + 1) };
}
